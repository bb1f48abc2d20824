//! What reports say in each of their forms, and what is wrong with those that say nothing.

use super::*;

fn told(form: Form, value: impl AsRef<[u8]>) -> (Vec<(&'static str, f64)>, Result<(), Flaw>) {
    told_with(form, value, &[])
}

fn told_with(
    form: Form,
    value: impl AsRef<[u8]>,
    names: &[Named],
) -> (Vec<(&'static str, f64)>, Result<(), Flaw>) {
    let mut all = Vec::new();
    let ended = read(form, value.as_ref(), names, &mut |(subject, value)| {
        all.push((subject.as_str(), value.unwrap_or(f64::NEG_INFINITY)));
    });
    (all, ended)
}

const NOT: f64 = f64::NEG_INFINITY;

#[test]
fn our_own_field_is_a_list_of_numbers() {
    let (all, ended) = told(Form::Aya, " in-flight=12, slots = 4,cpu=0.7,queue=3,, in_flight=2, colour=1 ");
    assert_eq!(ended, Ok(()));
    let expected = [("in-flight", 12.0), ("slots", 4.0), ("cpu", 0.7), ("queue", 3.0), ("in-flight", 2.0)];
    assert_eq!(all, expected);
}

#[test]
fn what_cannot_be_believed_is_told_with_its_name() {
    let (all, ended) = told(Form::Aya, "cpu=NaN,queue=-1,gpu=1e99,memory=much,rate=inf,errors=2,slots=-3");
    assert_eq!(ended, Ok(()));
    let wrong = ["cpu", "queue", "gpu", "memory", "rate"].map(|word| (word, NOT));
    assert_eq!(all[..5], wrong);
    assert_eq!(all[5..], [("errors", 2.0), ("slots", NOT)]);
}

#[test]
fn orca_says_the_same_in_text_json_and_protobuf() {
    let expected = vec![
        ("cpu", 0.3),
        ("memory", 0.8),
        ("utilization", 0.5),
        ("rate", 12.5),
        ("errors", 0.25),
        ("queue", 7.0),
        ("gpu", 0.9),
    ];
    let text = "cpu_utilization=0.3,mem_utilization=0.8,application_utilization=0.5,rps_fractional=12.5,eps=0.25,\
                named_metrics.queue=7,utilization.gpu=0.9,request_cost.tokens=1";
    let json = r#"{"cpu_utilization": 0.3, "memUtilization":0.8,"application_utilization":5e-1,
                   "rps_fractional":"12.5","eps":0.25,"named_metrics":{"queue":7}, "utilization" : {"gpu":0.9},
                   "request_cost":{}}"#;
    let bytes = report();
    let base64 = encode(&bytes);
    for (form, value) in [
        (Form::Orca, format!("TEXT {text}")),
        (Form::Orca, text.replace('=', ":")),
        (Form::Orca, format!("JSON {json}")),
        (Form::Orca, json.to_owned()),
        (Form::Orca, format!("BIN {base64}=")),
        (Form::OrcaBinary, base64.clone()),
    ] {
        assert_eq!(told(form, &value), (expected.clone(), Ok(())), "{value}");
    }
}

/// The report of the test above.
fn report() -> Vec<u8> {
    let double = |field: u8, value: f64| [&[field << 3 | 1][..], &value.to_le_bytes()].concat();
    let named = |field: u8, name: &str, value: f64| {
        let entry = [&[10, name.len() as u8][..], name.as_bytes(), &double(2, value)].concat();
        [&[field << 3 | 2, entry.len() as u8][..], &entry].concat()
    };
    [
        double(1, 0.3),
        double(2, 0.8),
        // The old `rps`, which is an integer and not read.
        vec![3 << 3, 0x96, 0x01],
        double(9, 0.5),
        double(6, 12.5),
        double(7, 0.25),
        named(8, "queue", 7.0),
        named(5, "gpu", 0.9),
        named(4, "tokens", 1.0),
    ]
    .concat()
}

/// Base64 without padding.
fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |chunk: &[u8]| {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = |nth: usize| DIGITS[(bits >> (18 - 6 * nth) & 63) as usize] as char;
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}

#[test]
fn names_of_the_configuration_come_first() {
    let names = [
        ("named_metrics.tokens_waiting".to_owned(), Signal::Queue),
        ("cpu_utilization".to_owned(), Signal::Custom),
        ("depth".to_owned(), Signal::Queue),
    ];
    let value =
        "TEXT named_metrics.tokens_waiting=3,cpu_utilization=0.5,named_metrics.depth=4,request_cost.depth=9";
    let (all, ended) = told_with(Form::Orca, value, &names);
    assert_eq!((all, ended), (vec![("queue", 3.0), ("custom", 0.5), ("queue", 4.0)], Ok(())));
}

#[test]
fn what_is_no_report_has_a_flaw() {
    for (form, value, flaw) in [
        (Form::Aya, "busy".to_owned(), Flaw::Text),
        (Form::Aya, "=3".to_owned(), Flaw::Text),
        (Form::Aya, "x".repeat(LONGEST + 1), Flaw::TooLong),
        (Form::Aya, "a=1,".repeat(MOST + 1), Flaw::TooMany),
        (Form::Orca, "JSON [1]".to_owned(), Flaw::Json),
        (Form::Orca, r#"JSON {"a":{"b":{"c":1}}}"#.to_owned(), Flaw::Json),
        (Form::Orca, r#"JSON {"a":1"#.to_owned(), Flaw::Json),
        (Form::Orca, r#"JSON {"a":1}x"#.to_owned(), Flaw::Json),
        (Form::Orca, r#"JSON {"a\"b":1}"#.to_owned(), Flaw::Json),
        (Form::OrcaBinary, "!".to_owned(), Flaw::Base64),
        (Form::OrcaBinary, "QQQQQ".to_owned(), Flaw::Base64),
        (Form::OrcaBinary, "CQAA".to_owned(), Flaw::Protobuf),
        (Form::OrcaBinary, "Qv//////////////".to_owned(), Flaw::Protobuf),
    ] {
        assert_eq!(told(form, &value).1, Err(flaw), "{value}");
    }
    assert_eq!(told(Form::Orca, ""), (vec![], Ok(())));
}
