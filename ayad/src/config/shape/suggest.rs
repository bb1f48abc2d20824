//! "Did you mean": the known word nearest to a mistyped one.

/// Most words listed when none is near.
const MAX_LISTED: usize = 32;

/// The nearest of the known words, when it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let (distance, best) = known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .min()?;
    // A third of the letters wrong is still a typo, more is another word.
    let allowed = (word.chars().count().max(best.chars().count()) / 3).max(1);
    (distance <= allowed).then_some(best)
}

/// What to say to somebody who wrote an unknown word: the nearest one, or all there are.
pub fn remedy(noun: &str, word: &str, known: &[&str]) -> String {
    if let Some(best) = nearest(word, known.iter().copied()) {
        return format!("did you mean \"{best}\"?");
    }
    if known.is_empty() {
        return format!("there are no {noun}");
    }
    let mut listed = known.to_vec();
    listed.sort_unstable();
    listed.truncate(MAX_LISTED);
    let more = known.len() - listed.len();
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("known {noun}: {}{tail}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_a_stranger_does_not() {
        let known = ["backends", "algorithm", "health"];

        assert_eq!(nearest("helth", known), Some("health"));
        assert_eq!(nearest("Backend", known), Some("backends"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn a_stranger_gets_the_list() {
        assert_eq!(remedy("keys", "colour", &["limits", "bind"]), "known keys: bind, limits");
        assert_eq!(remedy("pools", "shop", &[]), "there are no pools");
    }
}
