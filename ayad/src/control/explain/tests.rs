//! Who is next among candidates, and in what words.

use super::*;

const LEAST: Scale = Scale { unit: "requests", wins: Wins::Least };

fn candidate(name: &str, class: &str, score: f64) -> Candidate {
    Candidate {
        backend: name.to_owned(),
        excluded: None,
        why: None,
        despite: None,
        score: Some(score),
        class: Some(class.to_owned()).filter(|class| !class.is_empty()),
        in_flight: 0,
        others: 0.0,
        latency_ms: None,
        weight: 1,
        ease: 1.0,
        expected_share: None,
        share: None,
    }
}

#[test]
fn who_is_due_goes_before_all_and_hot_ones_last() {
    let [hot, cold, due] = [("a", "hot", 0.1), ("b", "cold", 5.0), ("c", "due", 90.0)]
        .map(|(name, class, score)| candidate(name, class, score));
    assert_eq!(next(&[hot.clone(), cold.clone(), due.clone()], LEAST).as_deref(), Some("c"));
    assert_eq!(next(&[hot.clone(), cold.clone()], LEAST).as_deref(), Some("b"));
    assert_eq!(next(&[hot, cold, due.clone(), candidate("d", "due", 1.0)], LEAST), None, "either is next");
}

#[test]
fn among_equals_and_by_chance_nobody_is_said_to_be_next() {
    let both = [candidate("a", "", 1.0), candidate("b", "", 1.0)];
    assert_eq!(next(&both, LEAST), None);
    let one = [both[0].clone(), candidate("b", "", 2.0)];
    assert_eq!(next(&one, LEAST).as_deref(), Some("a"));
    assert_eq!(next(&one, Scale { wins: Wins::Most, ..LEAST }).as_deref(), Some("b"));
    assert_eq!(next(&one, Scale { wins: Wins::Chance, ..LEAST }), None);
    let out = Candidate { excluded: Some("health".to_owned()), ..one[0].clone() };
    assert_eq!(next(&[out], LEAST), None);
}
