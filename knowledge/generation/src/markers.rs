//! Citation markers in a model's answer: `[n]` that is the index of a source stays, any other number in brackets is removed.
//!
//! Text is held back from `[` until it is decided, at most [`MAX_HELD_CHARS`] characters. In a code span or a fenced block `[n]` is text and no marker.
//! A removed marker takes the one space before it along, so that no double space is left.

/// `[` and what could still become a marker.
const MAX_HELD_CHARS: usize = 16;

pub struct MarkerFilter {
    sources: u32,
    held: String,
    /// Spaces that a removed marker would take along.
    space: bool,
    code: Code,
    ticks: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    Outside,
    /// Inside code that as many backticks end as began it.
    Inside(usize),
}

impl MarkerFilter {
    /// Sources are numbered from 1 to `sources`.
    #[must_use]
    pub fn new(sources: u32) -> Self {
        Self { sources, held: String::new(), space: false, code: Code::Outside, ticks: 0 }
    }

    /// The text that is decided by these characters.
    pub fn push(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            self.take(c, &mut out);
        }
        out
    }

    /// What was held back at the end: an open bracket is text.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.release(&mut out);
        out
    }

    fn release(&mut self, out: &mut String) {
        if std::mem::take(&mut self.space) {
            out.push(' ');
        }
        out.push_str(&std::mem::take(&mut self.held));
    }

    fn take(&mut self, c: char, out: &mut String) {
        if !self.held.is_empty() {
            if c.is_ascii_digit() || matches!(c, ',' | ' ') && self.held.len() > 1 {
                self.held.push(c);
                if self.held.len() > MAX_HELD_CHARS {
                    self.release(out);
                }
                return;
            }
            if c == ']' && self.held.len() > 1 {
                self.decide(out);
                return;
            }
            self.release(out);
        }
        self.count_ticks(c);
        match c {
            '[' if self.code == Code::Outside => self.held.push(c),
            ' ' if self.code == Code::Outside => {
                if std::mem::replace(&mut self.space, true) {
                    out.push(' ');
                }
            }
            _ => {
                self.release(out);
                out.push(c);
            }
        }
    }

    /// `held` is `[` and numbers: those that are sources stay.
    fn decide(&mut self, out: &mut String) {
        let held = std::mem::take(&mut self.held);
        let numbers: Vec<&str> = held[1..].split(',').map(str::trim).collect();
        let valid: Vec<&str> = numbers.iter().copied().filter(|n| n.parse::<u32>().is_ok_and(|n| (1..=self.sources).contains(&n))).collect();
        if valid.is_empty() {
            self.space = false;
            return;
        }
        if std::mem::take(&mut self.space) {
            out.push(' ');
        }
        if valid.len() == numbers.len() {
            out.push_str(&held);
        } else {
            out.push('[');
            out.push_str(&valid.join(", "));
        }
        out.push(']');
    }

    fn count_ticks(&mut self, c: char) {
        if c == '`' {
            self.ticks += 1;
            return;
        }
        if self.ticks > 0 {
            self.code = match self.code {
                Code::Outside => Code::Inside(self.ticks),
                Code::Inside(opened) if opened == self.ticks => Code::Outside,
                inside @ Code::Inside(_) => inside,
            };
            self.ticks = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filtered(sources: u32, pieces: &[&str]) -> String {
        let mut filter = MarkerFilter::new(sources);
        let mut out: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        out.push_str(&filter.finish());
        out
    }

    #[test]
    fn a_marker_of_no_source_is_removed() {
        assert_eq!(
            filtered(1, &["So [", "1", "] and [", "9", "9] but [not a marker] and [", "1][2", "7]", ". Open ["]),
            "So [1] and but [not a marker] and [1]. Open ["
        );
        assert_eq!(filtered(3, &["It is so [1], and so [99]."]), "It is so [1], and so.");
        assert_eq!(filtered(3, &["both [1, 2] and [1,99] and []"]), "both [1, 2] and [1] and []");
    }

    #[test]
    fn in_code_it_is_text() {
        assert_eq!(filtered(1, &["`a[99]` and ```\nb[98]\n``` then [97]."]), "`a[99]` and ```\nb[98]\n``` then.");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_text(text in "[\\[\\]0-9a-c ,.`]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(filtered(3, &pieces), filtered(3, &[&text]));
        }

        #[test]
        fn text_without_brackets_is_left_alone(text in "[^\\[]{0,80}") {
            prop_assert_eq!(filtered(3, &[&text]), text);
        }
    }
}
