//! Inputs that fuzzing found worth keeping, replayed without a fuzzer: what once broke a parser, or nearly, must not
//! again. The targets are those of `tests/fuzz`; `just fuzz TARGET` looks for more.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../tests/fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library to the fuzzer, a module here")]
mod targets;

/// Most inputs kept for one target, and most bytes of one: a corpus is read by people too.
const MOST_INPUTS: usize = 100;
const MOST_BYTES: usize = 4096;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target)
}

/// The inputs of a target, in order of name.
fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder(target)).expect("every target has a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

#[test]
fn every_kept_input_passes_its_target_whole_and_cut_short() {
    for (name, target) in targets::TARGETS {
        for (path, bytes) in inputs(name) {
            println!("{}", path.display());
            target(&bytes);
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 16) {
                target(&bytes[..end]);
            }
        }
    }
}

#[test]
fn a_corpus_is_small_and_none_is_without_a_target() {
    for (name, _) in targets::TARGETS {
        let inputs = inputs(name);
        assert!((10..=MOST_INPUTS).contains(&inputs.len()), "{name} has {}", inputs.len());
        assert!(inputs.iter().all(|(_, bytes)| bytes.len() <= MOST_BYTES), "{name}");
    }
    let folders = fs::read_dir(folder("")).expect("there are corpora");
    let known = |name: &str| targets::TARGETS.iter().any(|(target, _)| *target == name);
    for entry in folders {
        let name = entry.expect("it is readable").file_name();
        assert!(name.to_str().is_some_and(known), "{} has no target", name.display());
    }
}
