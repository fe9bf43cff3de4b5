//! The name that was probably meant.

/// The candidate nearest to a word that is none of them, if one is near enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let slips_max = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|&(slips, _)| slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let keys = ["limit", "type", "thresholds", "power-automate-premium"];
        for (word, expected) in [
            ("limt", Some("limit")),
            ("Limit", Some("limit")),
            ("tpye", Some("type")),
            ("treshold", Some("thresholds")),
            ("power-automate-premum", Some("power-automate-premium")),
            ("seats", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word:?}");
        }
    }
}
