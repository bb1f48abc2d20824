//! `ayactl describe` of a pool: how it is divided, and how its parts stand now.

use aya_api::view::{DivisionView, PartView, ZoneView};

use super::field;

/// The lines about the division, each only when there is something to tell.
pub(super) fn fields(text: &mut String, division: &DivisionView) {
    let DivisionView { zone, spill, panic, subset, bound, parts } = division;
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let used = |part: &PartView, zone: &ZoneView| {
        let name = zone.zone.as_deref().unwrap_or("none");
        let of = if parts.len() > 1 { format!(" of priority {}", part.priority) } else { String::new() };
        format!("{name}{of} {} used, keeps {}", percent(zone.used), percent(zone.keeps))
    };
    let each = parts.iter().flat_map(|part| part.zones.iter().map(move |zone| (part, zone)));
    let zones: Vec<String> = each.map(|(part, zone)| used(part, zone)).collect();
    if zones.len() > 1 || zone.is_some() {
        let spilling = format!("up to {} of its capacity", percent(*spill));
        let local = zone
            .as_ref()
            .map_or_else(|| "none preferred".to_owned(), |zone| format!("{zone} preferred {spilling}"));
        field(text, "Zones", &format!("{local}; now: {}", zones.join("; ")));
    }
    if parts.len() > 1 {
        let groups: Vec<String> = parts.iter().map(|part| group(part, &percent(part.share))).collect();
        field(text, "Priority", &groups.join("; "));
    }
    if *panic > 0.0 {
        let now: Vec<String> = parts.iter().filter(|part| part.in_panic).map(in_panic).collect();
        let now = if now.is_empty() { "calm".to_owned() } else { now.join("; ") };
        field(text, "Panic", &format!("health is ignored below {} healthy; now: {now}", percent(*panic)));
    }
    if let Some(subset) = subset {
        let each: Vec<String> = parts.iter().map(|part| part.members.to_string()).collect();
        field(text, "Subset", &format!("at most {subset} of each priority; now: {} used", each.join(", ")));
    }
    if let Some(bound) = bound {
        field(text, "Bound", &format!("at most {bound} times the mean load for one backend"));
    }
}

fn group(part: &PartView, share: &str) -> String {
    let PartView { priority, healthy, ready, .. } = part;
    format!("{priority} takes {share} ({healthy} of {ready} healthy)")
}

fn in_panic(part: &PartView) -> String {
    let PartView { priority, healthy, ready, .. } = part;
    format!("PANIC in priority {priority}, {healthy} of {ready} healthy")
}
