//! Calls that are banned: each with what to do instead.

use super::source::{Token, follows};

/// Where a ban holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// In all Rust files, tests among them.
    Everywhere,
    /// In `src/`, outside tests.
    Product,
    /// As `Product`, except in files whose path begins so.
    ProductExcept(&'static str),
}

const BANS: &[(&[&str], Where, &str)] = &[
    (
        &["todo", "!"],
        Where::Everywhere,
        "write it, or leave it out and say so",
    ),
    (
        &["unimplemented", "!"],
        Where::Everywhere,
        "write it, or leave it out and say so",
    ),
    (&["dbg", "!"], Where::Everywhere, "remove it"),
    (
        &["#", "[", "ignore"],
        Where::Everywhere,
        "a test that does not run shows nothing",
    ),
    (
        &[".", "unwrap", "(", ")"],
        Where::Product,
        "handle the error",
    ),
    (&[".", "expect", "("], Where::Product, "handle the error"),
    (&["panic", "!"], Where::Product, "answer an error"),
    (
        &["unreachable", "!"],
        Where::Product,
        "make the state unsayable, or answer an error",
    ),
    (
        &["print", "!"],
        Where::ProductExcept("src/cli"),
        "only the command line talks to a terminal",
    ),
    (
        &["println", "!"],
        Where::ProductExcept("src/cli"),
        "only the command line talks to a terminal",
    ),
    (
        &["eprint", "!"],
        Where::ProductExcept("src/cli"),
        "only the command line talks to a terminal",
    ),
    (
        &["eprintln", "!"],
        Where::ProductExcept("src/cli"),
        "only the command line talks to a terminal",
    ),
    (
        &["SystemTime", "::", "now"],
        Where::ProductExcept("src/world/clock"),
        "read world::clock",
    ),
    (
        &["Instant", "::", "now"],
        Where::ProductExcept("src/world/clock"),
        "read world::clock",
    ),
    (
        &["Utc", "::", "now"],
        Where::ProductExcept("src/world/clock"),
        "read world::clock",
    ),
    (
        &["Local", "::", "now"],
        Where::Product,
        "read world::clock, and name the zone",
    ),
];

/// Checks a Rust file: `all` its words, and those of `product` that are under no `#[cfg(test)]`.
pub(crate) fn check(path: &str, all: &[Token<'_>], product: &[Token<'_>]) -> Vec<String> {
    let in_product = path.starts_with("src/");
    let mut problems = Vec::new();
    for &(words, holds, instead) in BANS {
        let looked_at = match holds {
            Where::Everywhere => all,
            Where::Product if in_product => product,
            Where::ProductExcept(part) if in_product && !path.starts_with(part) => product,
            _ => continue,
        };
        for index in 0..looked_at.len() {
            if follows(&looked_at[index..], words) {
                let line = looked_at[index].line;
                problems.push(format!(
                    "{path}:{line}: `{}` is banned: {instead}",
                    words.concat()
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::source::{bare, tokens, without_tests};
    use super::*;

    #[test]
    fn each_ban_objects() {
        for (path, text, count) in [
            ("src/engine.rs", "fn a() { b.unwrap(); }", 1),
            (
                "src/engine.rs",
                "fn a() { b.unwrap_or(c); b.expect.c(); }",
                0,
            ),
            ("src/engine.rs", "fn a() { b.expect(c); }", 1),
            (
                "src/engine.rs",
                "#[cfg(test)] mod tests { fn a() { b.unwrap(); } }",
                0,
            ),
            (
                "src/engine.rs",
                "#[cfg(test)] mod tests { fn a() { todo!() } }",
                1,
            ),
            ("tests/a.rs", "fn a() { b.unwrap(); println!(); }", 0),
            ("tests/a.rs", "#[ignore] fn a() {}", 1),
            ("tests/a.rs", "#[ignore = \"slow\"] fn a() {}", 1),
            ("tests/a.rs", "fn a() { dbg!(b); }", 1),
            ("src/engine.rs", "fn a() { println!(); }", 1),
            ("src/cli/test.rs", "fn a() { println!(); }", 0),
            ("src/engine.rs", "fn a() { panic!(); unreachable!() }", 2),
            ("src/engine.rs", "fn a() { std::time::Instant::now() }", 1),
            ("src/rpc/server.rs", "fn a() { SystemTime::now() }", 1),
            (
                "src/world/clock.rs",
                "fn a() { SystemTime::now(); Instant::now() }",
                0,
            ),
            (
                "src/world/clock/system.rs",
                "fn a() { SystemTime::now() }",
                0,
            ),
            ("src/world/ids.rs", "fn a() { SystemTime::now() }", 1),
            ("src/engine.rs", "// todo!()\nfn a() { \"todo!()\" }", 0),
        ] {
            let bare = bare(text);
            let all = tokens(&bare);
            let (product, _) = without_tests(&all);
            assert_eq!(check(path, &all, &product).len(), count, "{path}: {text}");
        }
    }
}
