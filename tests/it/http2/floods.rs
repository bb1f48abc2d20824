//! Connections that make work and do none: each is ended, told why and counted, and the daemon goes on.

use std::time::Duration;

use aya_tests::backend::Backend;
use aya_tests::daemon::Daemon;
use aya_tests::h2::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, Raw, SETTINGS,
    WINDOW_UPDATE, frame, get, literals,
};
use aya_tests::h2::{Client, run};
use aya_tests::wait::{self, Gate};

use super::{before_h1, refusals};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;
const WHOLE: u8 = END_STREAM | END_HEADERS;

fn serves(daemon: &Daemon) {
    let address = daemon.address();
    run(async {
        let client = Client::connect(address).await;
        assert_eq!(client.get("/").await.text(), "hello");
    });
}

/// What was sent ends the connection with one of these codes, or without a word when the other end was faster.
fn is_ended(raw: &mut Raw, codes: &[u32]) {
    let code = raw.goaway();
    assert!(code.is_none_or(|code| codes.contains(&code)), "{code:?}");
}

#[test]
fn frames_that_only_make_work_end_the_connection() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let floods: [(&str, Vec<u8>); 5] = [
        ("ping", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("priority", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])),
        ("window updates", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xfe, 0, 0, &[])),
    ];
    for (index, (name, flood)) in floods.into_iter().enumerate() {
        let mut raw = Raw::connect(daemon.address());
        raw.flood(&flood.repeat(100), 100);
        is_ended(&mut raw, &[ENHANCE_YOUR_CALM]);
        let counted = index as u64 + 1;
        wait::until_true(name, || refusals(&daemon, "frame-flood") == counted);
        serves(&daemon);
    }
}

#[test]
fn requests_that_are_reset_at_once_end_the_connection() {
    let backend = Backend::silent();
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    for index in 0..5000 {
        let stream = 2 * index + 1;
        let both = [frame(HEADERS, WHOLE, stream, &get("/", &[])), frame(RESET, 0, stream, &[0, 0, 0, 8])];
        if raw.try_send(&both.concat()).is_err() {
            break;
        }
    }
    is_ended(&mut raw, &[ENHANCE_YOUR_CALM]);
    wait::until_true("it is counted", || refusals(&daemon, "frame-flood") == 1);
    assert!(backend.requests() < 500, "{} requests reached the backend", backend.requests());
    wait::until_true("nothing of it is left", || daemon.control.backends()[0].traffic.in_flight == 0);
}

#[test]
fn a_client_that_cancels_now_and_then_is_not_disturbed() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    for index in 0..1000 {
        let stream = 4 * index + 1;
        raw.send(&frame(HEADERS, WHOLE, stream, &get("/", &[])));
        assert_eq!(raw.until(DATA, stream).unwrap().payload, b"hello");
        raw.send(&frame(HEADERS, END_HEADERS, stream + 2, &get("/", &[])));
        if index % 3 == 0 {
            raw.send(&frame(RESET, 0, stream + 2, &[0, 0, 0, 8]));
        } else {
            raw.send(&frame(DATA, END_STREAM, stream + 2, &[]));
            assert_eq!(raw.until(DATA, stream + 2).unwrap().payload, b"hello");
        }
    }
}

#[test]
fn a_head_without_an_end_ends_the_connection() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    raw.send(&frame(HEADERS, END_STREAM, 1, &get("/", &[])));
    raw.flood(&frame(CONTINUATION, 0, 1, &literals(&[("x", "y")])), 100_000);
    is_ended(&mut raw, &[ENHANCE_YOUR_CALM, PROTOCOL_ERROR]);
    serves(&daemon);
    assert_eq!(backend.requests(), 1);
}

/// A daemon whose clients have little time for a head, and all of it for anything else.
fn in_a_hurry(backend: &Backend) -> Daemon {
    let pool = aya_tests::daemon::pool(&[("one", backend.address)], "");
    let timeouts = "timeouts = { header = \"1s\", idle = \"1h\", body = \"1h\" }\n[pool.main]";
    Daemon::start(&pool.replace("[pool.main]", timeouts))
}

#[test]
fn a_head_that_is_not_finished_in_time_ends_the_connection() {
    let backend = Backend::saying("hello");
    let daemon = in_a_hurry(&backend);
    let whole = frame(HEADERS, WHOLE, 1, &get("/", &[]));
    let cut = [frame(HEADERS, END_STREAM, 1, &get("/", &[])), whole[..5].to_vec(), whole[..20].to_vec()];
    for (index, cut) in cut.iter().enumerate() {
        let mut raw = Raw::connect(daemon.address());
        raw.send(cut);
        is_ended(&mut raw, &[CANCEL]);
        assert_eq!(refusals(&daemon, "header-timeout"), index as u64 + 1);
    }
    let mut raw = Raw::connect(daemon.address());
    let mut drops = whole.chunks(1);
    wait::until_true("whoever sends it in drops is cut off", || {
        Gate::default().linger(Duration::from_millis(100));
        drops.next().is_some_and(|byte| raw.try_send(byte).is_err())
            || refusals(&daemon, "header-timeout") == 4
    });
    assert!(drops.len() > 0, "it never was whole");
    assert_eq!(backend.requests(), 0);
    serves(&daemon);
}

#[test]
fn a_body_and_an_idle_connection_have_more_time_than_a_head() {
    let backend = Backend::echo();
    let daemon = in_a_hurry(&backend);
    let pause = |millis| Gate::default().linger(Duration::from_millis(millis));
    let mut raw = Raw::connect(daemon.address());
    pause(1500);
    raw.send(&frame(HEADERS, END_HEADERS, 1, &get("/", &[])));
    let data = frame(DATA, END_STREAM, 1, b"whole");
    raw.send(&data[..11]);
    pause(1500);
    raw.send(&data[11..]);
    let mut echoed = Vec::new();
    while !echoed.ends_with(b"\nwhole") {
        echoed.extend(raw.until(DATA, 1).expect("it goes on").payload);
    }
    // A head in two pieces is on time.
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 3, &get("/", &[]));
    raw.send(&head[..12]);
    pause(50);
    raw.send(&head[12..]);
    assert!(raw.until(HEADERS, 3).is_some());
    pause(1500);
    assert_eq!(refusals(&daemon, "header-timeout"), 0);
}

#[test]
fn a_preface_has_the_time_of_one_head() {
    let backend = Backend::saying("hello");
    let daemon = in_a_hurry(&backend);
    let mut client = aya_tests::client::Client::connect(daemon.address());
    client.send("PRI * H");
    let (answer, took) = wait::measured(|| client.answer());
    assert_eq!((answer.status, answer.reason()), (408, Some("header-timeout")));
    assert!(took < Duration::from_millis(1800), "{took:?}");
}

#[test]
fn a_small_head_that_unpacks_into_a_large_one_is_refused() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    // One field of 3000 bytes is put into the table, and then named by one byte again and again (RFC 7541, 6.1).
    let mut block = get("/", &[]);
    let long = "y".repeat(3000);
    let mut field = literals(&[("x-long", &long)]);
    field[0] = 0x40;
    block.extend(field);
    block.extend([0xbe; 4000]);
    raw.send(&frame(HEADERS, WHOLE, 1, &block));
    let answer = std::iter::from_fn(|| raw.read()).find(|frame| {
        (frame.stream == 1 && matches!(frame.kind, HEADERS | RESET))
            || frame.kind == aya_tests::h2::frames::GOAWAY
    });
    assert!(answer.is_some(), "it is told");
    assert_eq!(backend.requests(), 0);
    serves(&daemon);
}

#[test]
fn empty_data_frames_end_the_connection() {
    let backend = Backend::echo();
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    raw.send(&frame(HEADERS, END_HEADERS, 1, &get("/", &[])));
    raw.flood(&frame(DATA, 0, 1, &[]).repeat(100), 100);
    is_ended(&mut raw, &[ENHANCE_YOUR_CALM]);
    wait::until_true("it is counted", || refusals(&daemon, "frame-flood") == 1);
}

#[test]
fn windows_that_overflow_are_an_error() {
    let backend = Backend::saying("hello");
    let daemon = before_h1(backend.address);
    let mut raw = Raw::connect(daemon.address());
    raw.send(&frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]));
    is_ended(&mut raw, &[FLOW_CONTROL_ERROR]);
    let mut raw = Raw::connect(daemon.address());
    raw.send(&frame(WINDOW_UPDATE, 0, 0, &[0; 4]));
    is_ended(&mut raw, &[PROTOCOL_ERROR]);
    serves(&daemon);
}

#[test]
fn more_requests_at_once_than_allowed_are_refused_one_by_one() {
    let backend = Backend::silent();
    let pool = aya_tests::daemon::pool(&[("one", backend.address)], "");
    let daemon = Daemon::start(&pool.replace("[pool.main]", "limits = { streams = 4 }\n[pool.main]"));
    let mut raw = Raw::connect(daemon.address());
    // The limit holds from when the client has said that it knows it.
    let settings = raw.until(SETTINGS, 0).unwrap();
    assert!(settings.payload.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 4]));
    raw.send(&frame(SETTINGS, 1, 0, &[]));
    for index in 0..6 {
        raw.send(&frame(HEADERS, WHOLE, 2 * index + 1, &get("/", &[])));
    }
    assert_eq!((raw.reset(9), raw.reset(11)), (Some(7), Some(7)), "REFUSED_STREAM");
    backend.expect_requests(4);
}

/// Also when the answer is small, and the client says now and then that it is there.
#[test]
fn a_client_that_does_not_read_its_answer_is_cut_off() {
    for size in [4_000, 40_000] {
        let backend = Backend::saying(&"x".repeat(size));
        let pool = aya_tests::daemon::pool(&[("one", backend.address)], "");
        let daemon =
            Daemon::start(&pool.replace("[pool.main]", "timeouts = { body = \"300ms\" }\n[pool.main]"));
        let mut raw = Raw::silent(daemon.address());
        // Its window is one byte.
        let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]);
        raw.send(&[aya_tests::h2::frames::PREFACE, &settings].concat());
        raw.send(&frame(HEADERS, WHOLE, 1, &get("/", &[])));
        let mut looks = 0;
        wait::until_true("it is counted", || {
            looks += 1;
            if looks % 8 == 0 {
                raw.flood(&frame(PING, 0, 0, &[0; 8]), 1);
            }
            refusals(&daemon, "send-timeout") == 1
        });
        wait::until_true("nothing of it is left", || daemon.control.backends()[0].traffic.in_flight == 0);
    }
}
