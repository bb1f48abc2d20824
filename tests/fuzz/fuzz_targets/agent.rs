#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aya_fuzz::agent(bytes));
