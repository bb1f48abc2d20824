//! `PUT` and `DELETE /v1/pools/{pool}/members/{backend}`: backends that operators add to a pool with
//! `discover = { api = true }`.

use std::fmt::Write as _;
use std::sync::Arc;

use aya_api::change::Change;
use aya_api::command::members::MemberBody;
use aya_api::error::{ApiError, ErrorCode};

use super::Control;
use super::call::Call;
use super::discovery::Set;
use super::orders::{Order, Plan, Target};
use crate::clock;
use crate::config::{Backend, Source};
use crate::discovery::entry;
use crate::state::Pool;

/// What the journal calls it.
pub(super) const FIELD: &str = "backend";
/// The value of somebody who is not there.
const ABSENT: &str = "absent";

/// Adds a backend, or changes what is known of it.
pub(super) fn add(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    let body: MemberBody = call.parse()?;
    let [pool, name] = &call.values;
    let value = serde_json::to_value(body).map_err(|error| bad(error.to_string()))?;
    let member = entry(name, value, &Source::Api.to_string()).map_err(bad)?;
    let member = Some(Box::new(member));
    let order = Order::Member { id: call.backend_id(), pool: pool.clone(), member };
    control.order(&order, &call.by, &call.options)
}

/// Takes out a backend that was added.
pub(super) fn remove(control: &mut Control, call: &Call) -> Result<Change, ApiError> {
    let order = Order::Member { id: call.backend_id(), pool: call.values[0].clone(), member: None };
    control.order(&order, &call.by, &call.options)
}

fn bad(message: String) -> ApiError {
    let hint =
        "an address is IP:PORT or unix:/PATH, a weight 0 to 1000, a name letters, digits and . _ : [ ] -";
    ApiError::new(ErrorCode::BadValue, message, hint)
}

/// A member as the journal writes it: its address, or JSON where there is more to say.
pub(super) fn text(member: Option<&Backend>) -> String {
    let Some(member) = member else { return ABSENT.to_owned() };
    let body = body(member);
    let plain =
        MemberBody { address: body.address.clone(), weight: None, zone: None, tags: Vec::new(), priority: 0 };
    if body == plain { body.address } else { serde_json::to_string(&body).unwrap_or(body.address) }
}

fn body(member: &Backend) -> MemberBody {
    let Backend { address, weight, zone, tags, .. } = member;
    MemberBody {
        address: address.clone(),
        weight: Some(*weight).filter(|weight| *weight != 1),
        zone: zone.clone(),
        tags: tags.clone(),
        priority: member.priority,
    }
}

/// The order that such a text stands for.
pub(super) fn order(id: &str, text: &str) -> Option<Order> {
    let (pool, name) = id.split_once('/')?;
    let member = if text == ABSENT {
        None
    } else {
        let value = if text.starts_with('{') { serde_json::from_str(text).ok()? } else { text.into() };
        Some(Box::new(entry(name, value, &Source::Api.to_string()).ok()?))
    };
    Some(Order::Member { id: id.to_owned(), pool: pool.to_owned(), member })
}

impl Control {
    /// What adding or taking out would do.
    pub(super) fn plan_member(
        &self,
        id: &str,
        pool: &str,
        member: Option<&Backend>,
    ) -> Result<Plan, ApiError> {
        let pool = self.find_pool(pool)?;
        let name = id.split_once('/').map_or(id, |(_, name)| name);
        let set = self.set_of(&pool.name);
        let Some(said) = set.and_then(Set::said) else {
            let message = format!("pool {} takes no backends from operators", pool.name);
            let hint = format!("write discover = {{ api = true }} into [pool.{}]", pool.name);
            return Err(ApiError::new(ErrorCode::BadValue, message, hint));
        };
        let now = said.get(name);
        let elsewhere = set.and_then(|set| set.elsewhere(name));
        if let Some(origin) = elsewhere.filter(|_| now.is_none()) {
            let message = format!("{id} comes from {origin}, not from operators");
            return Err(ApiError::new(ErrorCode::Conflict, message, "change it there, or take another name"));
        }
        if member.is_none() && now.is_none() {
            let hint = "see what there is with `ayactl get backends`";
            return Err(ApiError::new(ErrorCode::NotFound, format!("no backend \"{id}\""), hint));
        }
        if member.is_some() && now.is_none() && set.is_some_and(|set| set.room() == 0) {
            let message = format!("pool {} has as many backends as max_backends allows", pool.name);
            return Err(ApiError::new(
                ErrorCode::Conflict,
                message,
                "take one out first, or raise max_backends",
            ));
        }
        Ok(Plan {
            field: FIELD,
            before: text(now),
            after: text(member),
            configured: ABSENT.to_owned(),
            rev: pool.rev,
            undo: undo(id, now),
            back: Order::Member {
                id: id.to_owned(),
                pool: pool.name.clone(),
                member: now.cloned().map(Box::new),
            },
            warnings: if member.is_none() { warnings(&pool, name) } else { Vec::new() },
            target: Target::Member(id.to_owned()),
        })
    }
}

/// The command that puts back what is now.
fn undo(id: &str, now: Option<&Backend>) -> String {
    let Some(now) = now.map(body) else { return format!("ayactl backend remove {id}") };
    let mut command = format!("ayactl backend add {id} {}", now.address);
    if let Some(weight) = now.weight {
        let _ = write!(command, " --weight {weight}");
    }
    if let Some(zone) = &now.zone {
        let _ = write!(command, " --zone {zone:?}");
    }
    for tag in &now.tags {
        let _ = write!(command, " --tag {tag:?}");
    }
    if now.priority > 0 {
        let _ = write!(command, " --priority {}", now.priority);
    }
    command
}

fn warnings(pool: &Arc<Pool>, name: &str) -> Vec<String> {
    let now = clock::now();
    let others = pool.backends.iter().filter(|backend| backend.name != name && backend.load.eligible(now));
    if others.count() > 0 {
        return Vec::new();
    }
    vec![format!("no other backend of pool {} is eligible: its requests will get 503 no-backend", pool.name)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_says_of_a_member_is_read_back() {
        for value in
            ["127.0.0.1:1", r#"{"address":"unix:/a b","weight":3,"zone":"a, b","tags":["x"],"priority":2}"#]
        {
            let Some(Order::Member { member: Some(member), .. }) = order("shop/a", value) else {
                panic!("{value}")
            };
            assert_eq!(text(Some(&member)), value);
        }
        assert!(matches!(order("shop/a", ABSENT), Some(Order::Member { member: None, .. })));
        assert!(order("shop/a", "no address").is_none());
    }
}
