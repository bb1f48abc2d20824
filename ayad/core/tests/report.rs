//! Laws of what backends say: any bytes are read without a panic, and what is told can be believed.

use aya_core::exposition::{Gather, Over, Selector, read as read_page};
use aya_core::report::{Form, MOST, Subject, read};
use aya_core::signal::Signal;
use aya_core::{agent, follow};
use proptest::prelude::*;

const FORMS: [Form; 3] = [Form::Aya, Form::Orca, Form::OrcaBinary];

proptest! {
    #[test]
    fn any_bytes_are_a_report_or_none(form in 0..3_usize, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut count = 0;
        let ended = read(FORMS[form], &bytes, &[], &mut |(_, value)| {
            count += 1;
            assert!(value.is_err() || value.is_ok_and(|value| value.is_finite() && value >= 0.0));
        });
        prop_assert!(count <= MOST);
        prop_assert!(ended.is_ok() || count < bytes.len().max(1));
    }

    #[test]
    fn what_is_written_is_read(values in proptest::collection::vec((0..Signal::ALL.len(), 0.0..999.0), 1..20)) {
        let text = values.iter().map(|(kind, value)| format!("{}={value}", Signal::ALL[*kind].as_str()));
        let text = text.collect::<Vec<_>>().join(", ");
        let mut told = Vec::new();
        let ended = read(Form::Aya, text.as_bytes(), &[], &mut |one| told.push(one));
        prop_assert_eq!(ended, Ok(()));
        let expected: Vec<_> =
            values.iter().map(|(kind, value)| (Subject::Signal(Signal::ALL[*kind]), Ok(*value))).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn any_words_are_an_agents_or_none(words in "(up|down|drain|ready|[0-9]{1,12}%|maxconn:[0-9]{1,12}|[ ,\\t#\\n]|\\PC){0,30}") {
        if let Ok(said) = agent::read(words.as_bytes()) {
            let mut held = agent::Agent::default();
            held.hear(&said);
            prop_assert!((0.0..=1.0).contains(&held.weight()));
        }
    }

    #[test]
    fn sums_of_a_page_are_those_of_its_lines(values in proptest::collection::vec(0_u32..1000, 0..50)) {
        let lines = values.iter().enumerate().map(|(nth, value)| format!("a{{b=\"{nth}\"}} {value}\nother 1\n"));
        let page: String = lines.collect();
        let selector = Selector::parse("a").unwrap();
        let mut wanted = [Gather::new(&selector)];
        prop_assert_eq!(read_page(&page, &mut wanted), Ok(2 * values.len()));
        let sum = (!values.is_empty()).then(|| f64::from(values.iter().sum::<u32>()));
        prop_assert_eq!(wanted[0].value(Over::Sum), sum);
    }

    #[test]
    fn any_page_is_read(page in "\\PC{0,200}|([a-z{}=\"\\\\ 0-9,\\n#]{0,200})") {
        let selector = Selector::parse("a{b=\"c\"}").unwrap();
        let lines = page.lines().count();
        prop_assert!(read_page(&page, &mut [Gather::new(&selector)]).is_ok_and(|n| n <= lines) || lines > 0);
        drop(Selector::parse(&page));
    }

    #[test]
    fn factors_keep_their_bounds(
        values in proptest::collection::vec(proptest::option::of(0.0..1e12), 1..12),
        target in proptest::option::of(0.0..1e3),
    ) {
        let rules = follow::FollowRules { signal: Signal::Cpu, min: 0.1, max: 0.9, target };
        let since = Some(std::time::Duration::from_secs(2));
        let mut pool: Vec<_> =
            values.iter().map(|value| follow::Follower { factor: 0.9, value: *value, since }).collect();
        for _ in 0..20 {
            follow::step(&rules, &mut pool, &mut Vec::new());
            prop_assert!(pool.iter().all(|one| (0.1..=0.9).contains(&one.factor)), "{pool:?}");
        }
    }
}
