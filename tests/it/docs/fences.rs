//! Blocks of code in a document. The words after the three backticks say what a block is: its language, and
//! for `toml` the file it stands for, for `sh` how a test treats it.

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// The first word.
    pub(crate) language: String,
    /// The rest of the line.
    pub(crate) about: String,
    /// What is in it.
    pub(crate) text: String,
    /// Where it begins, from 1.
    pub(crate) line: usize,
}

/// Every block of a document, in order.
pub(crate) fn fences(document: &str) -> Vec<Fence> {
    let mut found: Vec<Fence> = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(document.lines()) {
        match (line.strip_prefix("```"), inside) {
            (Some(_), true) => inside = false,
            (Some(words), false) => {
                inside = true;
                let (language, about) = words.split_once(' ').unwrap_or((words, ""));
                let (language, about) = (language.to_owned(), about.to_owned());
                found.push(Fence { language, about, text: String::new(), line: number });
            }
            (None, true) => {
                let fence = found.last_mut().expect("a block has begun");
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!inside, "a block of code is not closed");
    found
}

#[test]
fn blocks_are_found_with_their_words() {
    let found = fences("a\n```sh daemon\nx\ny\n```\n```toml\n```\n");

    assert_eq!(found.len(), 2);
    assert_eq!((found[0].language.as_str(), found[0].about.as_str()), ("sh", "daemon"));
    assert_eq!((found[0].text.as_str(), found[0].line), ("x\ny\n", 2));
    assert_eq!((found[1].language.as_str(), found[1].about.as_str()), ("toml", ""));
}
