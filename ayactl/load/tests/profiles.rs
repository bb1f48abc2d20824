//! The profiles that ship can be read, and say what they are for.

use std::path::Path;

use aya_load::profile::ProfileFile;

#[test]
fn every_profile_that_ships_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles/loadtest");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = ProfileFile::read(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(file.title.len() > 10, "{}", path.display());
        count += 1;
    }
    assert!(count >= 6);
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_name() {
    for (text, part) in [
        ("aya = 1\ntitle = \"x\"\nrate = \"5..x/1s\"", "p.toml: rate: \"x\" is no rate"),
        ("aya = 2\ntitle = \"x\"\nrate = \"5/1s\"", "write aya = 1"),
        ("aya = 1\ntitle = \"x\"\nrate = \"5/1s\"\narivals = \"poisson\"", "unknown field `arivals`"),
        ("aya = 1\ntitle = \"x\"\nrate = \"5/1s\"\narrivals = \"burst\"", "no kind of arrivals"),
    ] {
        let error = ProfileFile::parse("p.toml", text).expect_err(text).to_string();
        assert!(error.contains(part), "{error}");
    }
}
