//! Backends that take their time, for `.ci/bench/run`: `sluggish FIRST_PORT BACKEND…`, one port after the other.
//!
//! A backend is words joined by commas: `300us` takes so long, `exp=40ms` on average (exponentially distributed),
//! `slots=1` works on so many at a time, `fail=10s-40s` answers 500 at once from then to then after the start.
//! Plain threads and the system's sleep: a late timer of a runtime would be a slow backend that nobody asked for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Backend {
    fixed: Duration,
    mean: Duration,
    slots: Option<(Mutex<u32>, Condvar)>,
    fails: Option<(Duration, Duration)>,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let first: u16 = args.next().and_then(|port| port.parse().ok()).expect("the first port");
    let start = Instant::now();
    for (port, words) in (first..).zip(args) {
        let backend = Arc::new(read(&words));
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        std::thread::spawn(move || {
            for (number, stream) in (0_u64..).zip(listener.incoming()) {
                let (stream, backend) = (stream.expect("a connection"), Arc::clone(&backend));
                std::thread::spawn(move || serve(stream, &backend, start, u64::from(port) << 32 | number));
            }
        });
    }
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn read(words: &str) -> Backend {
    let mut backend = Backend::default();
    for word in words.split(',') {
        match word.split_once('=') {
            None => backend.fixed = time(word),
            Some(("exp", mean)) => backend.mean = time(mean),
            Some(("slots", slots)) => {
                backend.slots = Some((Mutex::new(slots.parse().expect("a number of slots")), Condvar::new()));
            }
            Some(("fail", spell)) => {
                let (from, to) = spell.split_once('-').expect("fail=FROM-TO");
                backend.fails = Some((time(from), time(to)));
            }
            Some(_) => panic!("{word} is no property of a backend"),
        }
    }
    backend
}

fn time(text: &str) -> Duration {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: f64 = digits.parse().unwrap_or_else(|_| panic!("{text} is no time"));
    let unit = match &text[digits.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => panic!("{text}: us, ms or s"),
    };
    Duration::from_secs_f64(number * unit)
}

/// Answers requests without bodies on one connection until it ends.
fn serve(mut stream: TcpStream, backend: &Backend, start: Instant, seed: u64) {
    stream.set_nodelay(true).expect("no delay");
    let mut rng = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut buffer, mut len) = ([0; 4096], 0);
    loop {
        match stream.read(&mut buffer[len..]) {
            Ok(0) | Err(_) => return,
            Ok(more) => len += more,
        }
        while let Some(end) = buffer[..len].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            buffer.copy_within(end + 4..len, 0);
            len -= end + 4;
            if stream.write_all(answer(backend, start, &mut rng)).is_err() {
                return;
            }
        }
    }
}

fn answer(backend: &Backend, start: Instant, rng: &mut u64) -> &'static [u8] {
    if backend.fails.is_some_and(|(from, to)| (from..to).contains(&start.elapsed())) {
        return b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    }
    *rng ^= *rng << 13;
    *rng ^= *rng >> 7;
    *rng ^= *rng << 17;
    let unit = (*rng >> 11) as f64 / (1_u64 << 53) as f64;
    let takes = backend.fixed + backend.mean.mul_f64(-(1.0 - unit).ln());
    if let Some((free, change)) = &backend.slots {
        let slot = free.lock().expect("nobody panics with a slot");
        *change.wait_while(slot, |free| *free == 0).expect("nobody panics with a slot") -= 1;
        std::thread::sleep(takes);
        *free.lock().expect("nobody panics with a slot") += 1;
        change.notify_one();
    } else {
        std::thread::sleep(takes);
    }
    b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"
}
