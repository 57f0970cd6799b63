//! What kind of answer a question wants, and whether a text has one of that kind.

use std::collections::HashSet;

pub(super) struct Wants {
    pub(super) number: bool,
    pub(super) person: bool,
}

impl Wants {
    pub(super) fn of(question: &str) -> Self {
        let words = words(question);
        Self { number: wants_number(question), person: ["who", "whom", "whose"].iter().any(|word| words.contains(*word)) }
    }
}

/// In lower case.
pub(super) fn words(text: &str) -> HashSet<String> {
    text.to_lowercase().split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[rustfmt::skip]
const ROLES: &[&str] = &[
    "manager", "chair", "officer", "anyone", "whoever", "staff", "member", "members", "team", "everybody", "parents", "children", "lead", "head", "doctor", "office",
    "tenant", "customer", "employee",
];

/// A name that the question does not have, known by a capital within the text, or somebody's part.
pub(super) fn says_person(text: &str, asked: &HashSet<String>) -> bool {
    let named = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = word.chars().next().is_some_and(char::is_uppercase) && word.contains(char::is_lowercase) && word.chars().count() > 2;
        capital && !asked.contains(&word.to_lowercase())
    };
    text.split_whitespace().skip(1).any(named) || words(text).iter().any(|word| ROLES.contains(&word.as_str()))
}

#[rustfmt::skip]
const ASKING_FOR_A_NUMBER: &[&str] = &[
    "how many", "how much", "how long", "how often", "how old", "how far", "how big", "how large", "how late", "how early", "how tall", "how thick", "how fast",
    "how quick", "how hot", "when ", "what time", "cost", "price", "charge", "phone number", "maximum", "minimum",
];

fn wants_number(question: &str) -> bool {
    let lower = question.to_lowercase();
    ASKING_FOR_A_NUMBER.iter().any(|phrase| lower.contains(phrase))
}

#[rustfmt::skip]
const NUMBER_WORDS: &[&str] = &[
    "once", "twice", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
    "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "half",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "noon", "midnight", "free", "none", "unlimited", "closed",
];

pub(super) fn says_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
        || text
            .split(|c: char| !c.is_alphabetic())
            .any(|word| NUMBER_WORDS.contains(&word.to_lowercase().trim_end_matches('s')) || NUMBER_WORDS.contains(&word.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_asked_for_and_named() {
        assert!(Wants::of("Who runs the youth group?").person && !Wants::of("When was it founded, whoever did it?").person);
        let asked = words("Who runs the youth group?");
        assert!(says_person("It is led by Svenja Kroll.", &asked) && says_person("| Rector | Ivo Brand |", &asked));
        assert!(says_person("Ask the manager.", &asked) && !says_person("The Youth Group meets on monday.", &asked));
    }

    #[test]
    fn a_number_is_asked_for_and_given() {
        assert!(Wants::of("How long does it take?").number && !Wants::of("Why does it take so long?").number);
        assert!(says_number("Twice a week.") && says_number("It costs 3 euros.") && !says_number("It depends."));
    }
}
