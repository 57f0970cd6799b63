//! A passage's Markdown as the pieces an answer may be made of: sentences, list items with their lead-in, rows with their header, records, code whole.

use super::sentences;
use crate::model::count_tokens;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sentence,
    Item,
    Row,
    /// Lines of `name: value`, or a stored question's whole answer.
    Record,
    Code,
}

#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) kind: Kind,
    /// As it stands in the passage; white space is folded but for the lines of code and records.
    pub(crate) text: String,
    /// The unit that must be read first: a list's or code block's lead-in, a table's header.
    pub(crate) lead: Option<usize>,
    /// Units of one block stand together.
    pub(crate) block: usize,
    /// The nearest heading above it in the passage.
    pub(crate) heading: String,
    /// A table's header says nothing alone.
    pub(crate) header: bool,
    /// Items of one list stand together.
    pub(crate) list: Option<usize>,
    /// A step of many says little alone.
    pub(crate) numbered: bool,
}

/// A record longer than this is told line by line.
const TOKENS_OF_A_RECORD: usize = 160;
/// An item or a line longer than this is told sentence by sentence.
const TOKENS_OF_AN_ITEM: usize = 160;

#[derive(Default)]
struct Splitter {
    units: Vec<Unit>,
    block: usize,
    heading: String,
    /// A sentence that ends in a colon, waiting for what it introduces.
    lead: Option<usize>,
    /// The list that is under way.
    list: Option<usize>,
}

pub(crate) fn split(text: &str) -> Vec<Unit> {
    let mut splitter = Splitter::default();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        at += splitter.block(&lines[at..]);
    }
    splitter.units
}

/// The sentence before one that points back to it.
pub(crate) fn pointed_to(units: &[Unit], place: usize) -> Option<usize> {
    let (unit, before) = (&units[place], place.checked_sub(1)?);
    let points = unit.kind == Kind::Sentence && POINTING_BACK.contains(&unit.text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    (points && units[before].block == unit.block).then_some(before)
}

#[rustfmt::skip]
const POINTING_BACK: &[&str] = &[
    "It", "They", "This", "That", "These", "Those", "He", "She", "Its", "Their", "Otherwise", "However", "Then", "Instead", "Until", "After", "Later",
];

impl Splitter {
    /// Takes one block from the front of the lines, at least one line.
    fn block(&mut self, lines: &[&str]) -> usize {
        self.block += 1;
        let first = lines[0].trim();
        if !first.is_empty() && !is_item(first) {
            self.list = None;
        }
        if first.is_empty() || first.chars().all(|c| matches!(c, '-' | '*' | '_' | '=' | ' ')) {
            return 1;
        }
        if let Some(fence) = fence(first) {
            return self.code(lines, fence);
        }
        if first.starts_with('#') && first.trim_start_matches('#').starts_with(' ') {
            self.heading = first.trim_matches(['#', ' ']).to_owned();
            self.lead = None;
            return 1;
        }
        if first.starts_with('|') {
            return self.table(lines);
        }
        if is_item(first) {
            return self.item(lines);
        }
        self.paragraph(lines)
    }

    fn push(&mut self, kind: Kind, text: String, lead: Option<usize>) -> usize {
        self.units.push(Unit { kind, text, lead, block: self.block, heading: self.heading.clone(), header: false, list: None, numbered: false });
        self.units.len() - 1
    }

    fn code(&mut self, lines: &[&str], fence: &str) -> usize {
        let end = lines.iter().skip(1).position(|line| line.trim().starts_with(fence)).map_or(lines.len(), |at| at + 2);
        let closed = end <= lines.len() && end > 1 && lines[end - 1].trim().starts_with(fence);
        if closed && end > 2 {
            let lead = self.lead;
            self.push(Kind::Code, lines[..end].join("\n"), lead);
        } else {
            // A block cut by the chunker would swallow what follows it: its lines are told one by one.
            for line in lines[1..end].iter().filter(|line| !line.trim().is_empty() && !line.trim().starts_with(fence)) {
                self.push(Kind::Item, sentences::fold_space(line), None);
            }
        }
        self.lead = None;
        end
    }

    fn table(&mut self, lines: &[&str]) -> usize {
        let count = lines.iter().take_while(|line| line.trim().starts_with('|')).count();
        let rule = |line: &str| line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) && line.contains('-');
        let headed = count > 1 && rule(lines[1].trim());
        let mut header = None;
        for (number, line) in lines[..count].iter().enumerate().filter(|(_, line)| !rule(line.trim())) {
            let unit = self.push(Kind::Row, sentences::fold_space(line), header);
            if number == 0 && headed {
                self.units[unit].header = true;
                header = Some(unit);
            }
        }
        self.lead = None;
        count
    }

    fn item(&mut self, lines: &[&str]) -> usize {
        let goes_on = |line: &&&str| !line.trim().is_empty() && !is_item(line.trim()) && line.starts_with([' ', '\t']) && fence(line.trim()).is_none();
        let count = 1 + lines[1..].iter().take_while(goes_on).count();
        let text = sentences::fold_space(&lines[..count].join(" "));
        let lead = self.lead;
        if count_tokens(&text) <= TOKENS_OF_AN_ITEM {
            let list = *self.list.get_or_insert(self.block);
            let unit = self.push(Kind::Item, text, lead);
            (self.units[unit].list, self.units[unit].numbered) = (Some(list), lines[0].trim().starts_with(|c: char| c.is_ascii_digit()));
        } else {
            for sentence in sentences::split(&text) {
                self.push(Kind::Sentence, sentence, lead);
            }
        }
        count
    }

    fn paragraph(&mut self, lines: &[&str]) -> usize {
        let plain = |line: &&&str| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('|') && !line.starts_with("# ") && !line.starts_with("##") && fence(line).is_none() && !is_item(line)
        };
        let count = 1 + lines[1..].iter().take_while(plain).count();
        let lines = &lines[..count];
        if count > 1 && lines.iter().all(|line| is_field(line.trim())) {
            self.record(lines);
            return count;
        }
        let mut last = None;
        for sentence in sentences::split(&lines.join("\n")) {
            last = Some(self.push(Kind::Sentence, sentence, None));
        }
        self.lead = last.filter(|&last| self.units[last].text.ends_with(':'));
        count
    }

    fn record(&mut self, lines: &[&str]) {
        let whole = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
        if count_tokens(&whole) <= TOKENS_OF_A_RECORD {
            self.push(Kind::Record, whole, None);
        } else {
            for line in lines {
                self.push(Kind::Item, sentences::fold_space(line), None);
            }
        }
        self.lead = None;
    }
}

fn fence(line: &str) -> Option<&'static str> {
    ["```", "~~~"].into_iter().find(|fence| line.starts_with(fence))
}

fn is_item(line: &str) -> bool {
    if line.starts_with("- ") || line.starts_with("* ") || line.starts_with("+ ") || line.starts_with("• ") {
        return true;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (1..=3).contains(&digits) && (line[digits..].starts_with(". ") || line[digits..].starts_with(") "))
}

const CHARACTERS_OF_A_FIELD_NAME: usize = 40;

/// `name: value`, as rows of a CSV and members of a JSON object are told.
fn is_field(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(name, value)| {
        !value.is_empty() && name.chars().count() <= CHARACTERS_OF_A_FIELD_NAME && !name.contains(['.', '!', '?']) && name.split(' ').count() <= 5
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_split_into_what_can_be_cited() {
        let text = "# Plans\n\nWe have two plans. Both renew:\n\n- Basic, for one\n- Pro, for\n  many\n\n| Plan | Price |\n| --- | --- |\n| Pro | $20 |\n\n```sh\nrun\n\nstop\n```\nDone.";
        let units = split(text);
        let texts: Vec<&str> = units.iter().map(|unit| unit.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "We have two plans.",
                "Both renew:",
                "- Basic, for one",
                "- Pro, for many",
                "| Plan | Price |",
                "| Pro | $20 |",
                "```sh\nrun\n\nstop\n```",
                "Done."
            ]
        );
        assert_eq!((units[2].lead, units[3].lead, units[5].lead), (Some(1), Some(1), Some(4)));
        assert_eq!(units[0].heading, "Plans");
    }

    #[test]
    fn a_record_stays_whole() {
        let units = split("Name: Ada\nRole: Engineer\n\nName: Bob\nRole: Cook");
        assert_eq!(units.iter().map(|unit| unit.text.as_str()).collect::<Vec<_>>(), ["Name: Ada\nRole: Engineer", "Name: Bob\nRole: Cook"]);
    }

    #[test]
    fn a_code_block_without_an_end_does_not_swallow_the_text() {
        assert_eq!(split("```\nlet x = 1;").len(), 1);
        assert!(split("```").is_empty());
    }
}
