//! Texts that were read, with their names and lines. What stands in them is the business of [`super::marks`].

/// A text with the name people know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the file, or what stands for it.
    pub name: String,
    /// The whole text; empty when it could not be read.
    pub text: String,
    /// Where each line starts: every key of a large file asks for its line.
    lines: Vec<usize>,
    /// The text as people see it, where that differs.
    shown: Option<String>,
}

impl Source {
    /// Names a text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let after_breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        let lines = std::iter::once(0).chain(after_breaks).collect();
        let shown = commands_terminals(&text).then(|| harmless(&text));
        Self { name: name.into(), text, lines, shown }
    }

    /// The text with `?` for what a terminal would obey, byte for byte in the same places.
    pub fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.text)
    }

    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_number(offset);
        let start = self.lines[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// The line of a byte, from 1.
    fn line_number(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset.min(self.text.len()))
    }

    /// The name and the line of a byte, for people: `ayad.toml:12`.
    pub fn line_name(&self, offset: usize) -> String {
        // Every table of a large file is named like this.
        let mut name = String::with_capacity(self.name.len() + 8);
        name.push_str(&self.name);
        name.push(':');
        name.push_str(&self.line_number(offset).to_string());
        name
    }

    /// The line that holds a byte, without its end.
    pub fn line(&self, offset: usize) -> &str {
        let (line, _) = self.position(offset);
        self.text.lines().nth(line - 1).unwrap_or_default()
    }
}

/// True when a terminal would obey something in a text beside the ends of its lines. Escapes of two bytes (U+0080 to
/// U+009F) begin with `C2`.
fn commands_terminals(text: &str) -> bool {
    let plain = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~' | 0x80..=0xc1 | 0xc3..);
    !text.bytes().all(|byte| plain(&byte)) && harmless(text) != text
}

fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' if rest.peek() == Some(&'\n') => shown.push(c),
            c if c.is_control() => shown.extend(std::iter::repeat_n('?', c.len_utf8())),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("a.toml", "aya = 1\nhöst = \"x\"\n");

        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(source.text.find('=').unwrap()), (1, 5));
        assert_eq!(source.position(source.text.rfind('=').unwrap()), (2, 6));
        assert_eq!(source.position(9_999), (3, 1));
    }

    #[test]
    fn a_text_is_shown_without_what_a_terminal_obeys() {
        let source = Source::new("a", "x = 1\r\ny = \"\u{1b}[2J\u{9b}\r\"\t\u{e9}\n");
        assert_eq!(source.shown(), "x = 1\r\ny = \"?[2J???\"\t\u{e9}\n");
        assert_eq!(source.shown().len(), source.text.len());
        assert_eq!(Source::new("a", "x = 1\r\n").shown(), "x = 1\r\n");
    }
}
