//! Text with something to fill in: `/item/{{zipf 1.1 1000}}?n={{seq}}`.

use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::{InputError, MOST_KEPT, Rng};

/// What can stand between braces, for errors and help.
pub(super) const IN_WORDS: &str = "{{seq}}, {{rand 1..100}}, {{zipf 1.1 1000}}, {{uuid}}, {{csv FILE COLUMN}}, and {{'{{'}} for the braces themselves";

/// Most values of a Zipf distribution.
const MOST_RANKS: usize = 1_000_000;

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Seq,
    Rand(u64, u64),
    /// The sums of the shares of each rank.
    Zipf(Arc<[f64]>),
    Uuid,
    Csv(Arc<[String]>),
}

/// Text with something to fill in, the same for the same seed and number.
#[derive(Clone, Debug)]
pub struct Template(Vec<Piece>);

impl Template {
    /// Text in which nothing is filled in, whatever it holds.
    pub fn literal(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// Whether it is the same text each time.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// Bytes that it keeps besides its text.
    pub(super) fn kept(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Zipf(sums) => sums.len() * size_of::<f64>(),
            Piece::Csv(values) => values.iter().map(|value| value.len() + size_of::<String>()).sum(),
            Piece::Text(_) | Piece::Seq | Piece::Rand(..) | Piece::Uuid => 0,
        };
        self.0.iter().map(of).sum()
    }

    /// The text and the values of tables for which `is_good` does not hold; numbers are good everywhere. Costs a look at all
    /// values.
    pub fn bad_part(&self, is_good: impl Fn(&str) -> bool) -> Option<&str> {
        self.0.iter().find_map(|piece| match piece {
            Piece::Text(text) => (!is_good(text)).then_some(text.as_str()),
            Piece::Csv(values) => values.iter().find(|value| !is_good(value)).map(String::as_str),
            Piece::Seq | Piece::Rand(..) | Piece::Zipf(_) | Piece::Uuid => None,
        })
    }

    /// Most bytes that it can have when it is filled in. Costs a look at all values.
    pub fn longest(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Csv(values) => values.iter().map(String::len).max().unwrap_or(0),
            Piece::Uuid => 36,
            Piece::Seq | Piece::Rand(..) | Piece::Zipf(_) => 20,
        };
        self.0.iter().map(of).sum()
    }

    /// Writes the text of the number `n`.
    pub fn render(&self, n: u64, rng: &mut Rng, into: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => into.push_str(text),
                Piece::Seq => {
                    let _ = write!(into, "{n}");
                }
                Piece::Rand(low, high) => {
                    let span = (high - low).saturating_add(1);
                    let _ = write!(into, "{}", low + rng.below(span));
                }
                Piece::Zipf(sums) => {
                    let drawn = rng.unit();
                    let rank = sums.partition_point(|sum| *sum <= drawn).min(sums.len() - 1);
                    let _ = write!(into, "{}", rank + 1);
                }
                Piece::Uuid => {
                    let (high, low) = (rng.bits(), rng.bits());
                    let _ = write!(
                        into,
                        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                        high >> 32,
                        (high >> 16) & 0xffff,
                        high & 0xfff,
                        0x8000 | (low >> 48) & 0x3fff,
                        low & 0xffff_ffff_ffff
                    );
                }
                // A row a number: rows of different columns of one file belong together.
                Piece::Csv(values) => into.push_str(&values[(n % values.len() as u64) as usize]),
            }
        }
    }
}

impl FromStr for Template {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let wrong = |what: String| InputError::Template { text: text.chars().take(200).collect(), what };
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) =
                after.split_once("}}").ok_or_else(|| wrong("a \"{{\" is not closed by \"}}\"".into()))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(piece(inside).map_err(wrong)?);
            rest = after;
        }
        if !rest.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }
}

fn piece(inside: &str) -> Result<Piece, String> {
    let words: Vec<&str> = inside.split_whitespace().collect();
    match words.as_slice() {
        ["'{{'"] => Ok(Piece::Text("{{".to_owned())),
        ["seq"] => Ok(Piece::Seq),
        ["uuid"] => Ok(Piece::Uuid),
        ["rand", range] => {
            let ends =
                range.split_once("..").and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
            match ends {
                Some((low, high)) if low <= high => Ok(Piece::Rand(low, high)),
                _ => Err(format!("\"{range}\" is no range; write it like 1..100")),
            }
        }
        ["zipf", exponent, ranks] => zipf(exponent, ranks),
        ["csv", file, column] => csv_column(Path::new(file), column).map(Piece::Csv),
        _ => Err(format!("\"{{{{{inside}}}}}\" is not known; there are: {IN_WORDS}")),
    }
}

fn zipf(exponent: &str, ranks: &str) -> Result<Piece, String> {
    let s: f64 = exponent
        .parse()
        .ok()
        .filter(|s| (0.0..=10.0).contains(s))
        .ok_or_else(|| format!("the exponent \"{exponent}\" is not a number from 0 to 10"))?;
    let ranks: usize = ranks
        .parse()
        .ok()
        .filter(|ranks| (1..=MOST_RANKS).contains(ranks))
        .ok_or_else(|| format!("\"{ranks}\" is not a number of values from 1 to {MOST_RANKS}"))?;
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=ranks)
        .map(|rank| {
            sum += (rank as f64).powf(-s);
            sum
        })
        .collect();
    Ok(Piece::Zipf(sums.iter().map(|part| part / sum).collect()))
}

fn csv_column(file: &Path, column: &str) -> Result<Arc<[String]>, String> {
    let name = file.display();
    let mut reader = csv::Reader::from_path(file).map_err(|error| format!("{name}: {error}"))?;
    let head = reader.headers().map_err(|error| format!("{name}: {error}"))?.clone();
    let by_number = || column.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < head.len());
    let index = head.iter().position(|known| known == column).or_else(by_number).ok_or_else(|| {
        format!(
            "{name}: there is no column \"{column}\"; there are: {}",
            head.iter().collect::<Vec<_>>().join(", ")
        )
    })?;
    let (mut values, mut kept) = (Vec::new(), 0);
    for record in reader.records() {
        let record = record.map_err(|error| format!("{name}: {error}"))?;
        let value = record.get(index).unwrap_or_default();
        kept += value.len() + size_of::<String>();
        if kept > MOST_KEPT {
            return Err(format!(
                "{name}: the column \"{column}\" is larger than {} MB; use a part of it",
                MOST_KEPT >> 20
            ));
        }
        values.push(value.to_owned());
    }
    if values.is_empty() { Err(format!("{name}: there is no row below the head")) } else { Ok(values.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, n: u64) -> String {
        let mut into = String::new();
        text.parse::<Template>().unwrap().render(n, &mut Rng::new(1, n), &mut into);
        into
    }

    #[test]
    fn every_piece_is_filled_in() {
        assert_eq!(rendered("/a/{{seq}}?x={{ seq }}", 5), "/a/5?x=5");
        assert_eq!(rendered("", 5), "");
        assert_eq!(rendered("a {{'{{'}}seq}} {{seq}}", 5), "a {{seq}} 5");
        for n in 0..1_000 {
            let rand: u64 = rendered("{{rand 1..3}}", n).parse().unwrap();
            assert!((1..=3).contains(&rand));
            let rank: u64 = rendered("{{zipf 1.1 1000}}", n).parse().unwrap();
            assert!((1..=1000).contains(&rank));
        }
        let uuid = rendered("{{uuid}}", 1);
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
        assert!(rendered("{{rand 0..18446744073709551615}}", 1).parse::<u64>().is_ok());
    }

    #[test]
    fn a_column_of_a_table_is_read_by_name_or_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.csv");
        std::fs::write(&file, "id,name\n1,\"a b\"\n2,c\n").unwrap();
        assert_eq!(rendered(&format!("{{{{csv {} name}}}}", file.display()), 2), "a b");
        assert_eq!(rendered(&format!("{{{{csv {} 1}}}}", file.display()), 1), "2");
        let error = format!("{{{{csv {} x}}}}", file.display()).parse::<Template>().unwrap_err().to_string();
        assert!(error.contains("there are: id, name"), "{error}");
    }

    #[test]
    fn the_first_rank_of_a_zipf_distribution_has_its_share() {
        let share = (0..20_000).filter(|n| rendered("{{zipf 1 10}}", *n) == "1").count() as f64 / 20_000.0;
        assert!((share - 1.0 / 2.928_968).abs() < 0.015, "{share}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in ".{0,60}", inner in "(rand|zipf|csv|seq)? ?[0-9.a-z]{0,12} ?[0-9.]{0,4}") {
            for text in [text.clone(), format!("{text}{{{{{inner}}}}}")] {
                if let Ok(template) = text.parse::<Template>() {
                    template.render(3, &mut Rng::new(1, 3), &mut String::new());
                }
            }
        }
    }
}
