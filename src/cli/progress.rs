//! Progress of long work: on a terminal only, on standard error, so that what is printed can be read by programs.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a spinner moves by itself.
const TICK: Duration = Duration::from_millis(100);

/// A bar up to `total`; invisible where nobody watches.
pub(super) fn bar(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {elapsed}");
    shown(
        ProgressBar::with_draw_target(Some(total), target()),
        style,
        what,
    )
}

/// A count of bytes without an end that is known.
pub(super) fn bytes(what: &'static str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {msg} {bytes} {binary_bytes_per_sec} {elapsed}");
    let bar = shown(ProgressBar::with_draw_target(None, target()), style, what);
    bar.enable_steady_tick(TICK);
    bar
}

/// Work whose end is not known.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    let bar = shown(ProgressBar::with_draw_target(None, target()), style, what);
    bar.enable_steady_tick(TICK);
    bar
}

fn target() -> ProgressDrawTarget {
    if stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn shown(
    bar: ProgressBar,
    style: Result<ProgressStyle, indicatif::style::TemplateError>,
    what: &'static str,
) -> ProgressBar {
    // The templates above are constants; a wrong one would show as the default style.
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(what)
}
