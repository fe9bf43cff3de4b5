//! Rust source as the rules see it: without comments and texts, cut into words.

/// The same text with comments, texts and characters blanked out; lines stay where they are.
pub(crate) fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut bare = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end == at {
            bare.push(chars[at]);
            at += 1;
        } else {
            bare.extend(
                chars[at..end]
                    .iter()
                    .map(|&c| if c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    bare
}

/// Where the comment, text or character that begins at `at` ends; `at` itself if none begins there.
fn skipped(chars: &[char], at: usize) -> usize {
    let next = |ahead: usize| chars.get(at + ahead).copied().unwrap_or('\0');
    let inside_a_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next(1) == '/' => find(chars, at, |at| chars[at] == '\n'),
        '/' if next(1) == '*' => block_comment(chars, at),
        '"' => text(chars, at + 1),
        'r' if !inside_a_word && matches!(next(1), '"' | '#') => raw_text(chars, at, at + 1),
        'b' if !inside_a_word && next(1) == '"' => text(chars, at + 2),
        'b' if !inside_a_word && next(1) == 'r' && matches!(next(2), '"' | '#') => {
            raw_text(chars, at, at + 2)
        }
        '\'' if next(1) == '\\' => find(chars, at + 3, |at| chars[at] == '\'') + 1,
        '\'' if next(2) == '\'' => at + 3,
        _ => at,
    }
    .min(chars.len())
}

fn find(chars: &[char], from: usize, stop: impl Fn(usize) -> bool) -> usize {
    (from..chars.len())
        .find(|&at| stop(at))
        .unwrap_or(chars.len())
}

fn block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn text(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// A raw text whose hashes begin at `from`; an identifier such as `r#type` is none.
fn raw_text(chars: &[char], at: usize, from: usize) -> usize {
    let quote = find(chars, from, |at| chars[at] != '#');
    if chars.get(quote) != Some(&'"') {
        return at;
    }
    let hashes = quote - from;
    let closes = |at: usize| {
        chars[at] == '"' && (1..=hashes).all(|ahead| chars.get(at + ahead) == Some(&'#'))
    };
    find(chars, quote + 1, closes) + 1 + hashes
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// One word or sign, with its line from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// The words and signs of bare source; `::` is one sign.
pub(crate) fn tokens(bare: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in bare.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token {
                text,
                line: index + 1,
            });
            rest = after.trim_start();
        }
    }
    tokens
}

/// Whether these words and signs follow each other from here on.
pub(crate) fn follows(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && tokens
            .iter()
            .zip(words)
            .all(|(token, word)| token.text == *word)
}

/// The index after the bracket that closes the one at `open`.
pub(crate) fn after_bracket(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// The words and signs that are not under `#[cfg(test)]`, and the names of files that are: `#[cfg(test)] mod NAME;`.
pub(crate) fn without_tests<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'a str>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut test_files, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if !follows(&tokens[at..], &MARK) {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        let item = at + MARK.len();
        let end = (item..tokens.len())
            .find(|&at| matches!(tokens[at].text, "{" | ";"))
            .unwrap_or(tokens.len());
        if tokens.get(end).is_some_and(|token| token.text == "{") {
            at = after_bracket(tokens, end);
            continue;
        }
        let words: Vec<&str> = tokens[item..end].iter().map(|token| token.text).collect();
        if let Some(place) = words.iter().position(|&word| word == "mod") {
            test_files.extend(words.get(place + 1));
        }
        at = end + 1;
    }
    (kept, test_files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_no_source() {
        for (text, expected) in [
            ("a // b\nc", "a \nc"),
            ("a /* b /* c */ d */ e", "a  e"),
            ("\"a\\\"b\" c", " c"),
            ("r#\"a\"b\"# c", " c"),
            ("b\"a\" br\"b\" c", "  c"),
            ("'a' '\\'' '\\u{1}' &'a str", "   &'a str"),
            ("r#type bar\"x\"", "r#type bar"),
        ] {
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(squeezed(&bare(text)), squeezed(expected), "{text:?}");
            assert_eq!(bare(text).lines().count(), text.lines().count(), "{text:?}");
        }
    }

    #[test]
    fn what_is_under_cfg_test_is_no_product() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn b() { {} } }\n#[cfg(test)] mod more;\nfn c() {}";
        let bare = bare(text);
        let all = tokens(&bare);
        let (kept, files) = without_tests(&all);
        let words: Vec<&str> = kept.iter().map(|token| token.text).collect();
        assert!(words.contains(&"a") && words.contains(&"c") && !words.contains(&"b"));
        assert_eq!(files, ["more"]);
    }
}
