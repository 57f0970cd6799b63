//! The figures counted one interaction after another, with no cell and no sketch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use twig_domain::id::Identifier;

use super::{
    super::{
        figures::Figures,
        histogram::Histogram,
        query::Question,
        report::{Counted, Report},
    },
    history::{REVIEWS, Told, agent, document},
};

/// What an answer's latency may be off by: half a bucket.
const LATENCY_ERROR: f64 = 1.0 / 128.0;

fn sums(told: &[&Told]) -> [i64; 11] {
    let count = |fits: &dyn Fn(&Told) -> bool| told.iter().filter(|one| fits(one)).count() as i64;
    let review = |review: usize| count(&|one| one.review.is_some_and(|given| REVIEWS[usize::from(given)] == REVIEWS[review]));
    [
        told.len() as i64,
        count(&|one| one.status == "completed"),
        count(&|one| one.status == "completed" && one.answered),
        count(&|one| one.status == "failed"),
        count(&|one| one.positive == Some(true)),
        count(&|one| one.positive == Some(false)),
        told.iter().map(|one| one.tokens as i64).sum(),
        review(0),
        review(1),
        review(2),
        review(3),
    ]
}

fn check_figures(figures: &Figures, told: &[&Told]) {
    assert_eq!(figures.sums(), sums(told));
    check_latency(&figures.latency, told);
}

fn check_latency(latency: &Histogram, told: &[&Told]) {
    let mut exact: Vec<u64> = told.iter().filter(|one| one.status == "completed").map(|one| one.latency).collect();
    exact.sort_unstable();
    for percent in [50, 95, 99] {
        let rank = exact.get((exact.len() * percent).div_ceil(100).max(1) - 1).copied();
        let found = latency.percentile(percent as i64);
        assert_eq!(found.is_some(), rank.is_some());
        if let (Some(found), Some(rank)) = (found, rank) {
            assert!(found.abs_diff(rank) as f64 <= rank as f64 * LATENCY_ERROR, "p{percent}: {found} for {rank}");
        }
    }
}

fn check_counted(counted: &Counted, told: &[&Told]) {
    check_figures(&counted.figures, told);
    assert_eq!(counted.sessions, told.iter().map(|one| one.session).collect::<BTreeSet<_>>().len() as u64);
}

/// Compares a report with the history. Unanswered questions are those of the wordings that nobody has put together.
pub fn check(report: &Report, question: &Question, told: &[Told]) {
    let of_agent = |one: &&Told| question.agent.is_none_or(|asked| asked == agent(one.agent));
    let within = |from: i64, to: i64| -> Vec<&Told> { told.iter().filter(of_agent).filter(|one| (from..to).contains(&one.at)).collect() };
    let current = within(question.from, question.to);
    let previous = within(question.previous_from, question.from);
    let users = |told: &[&Told]| told.iter().filter_map(|one| one.user).collect::<BTreeSet<_>>().len() as u64;
    check_counted(&report.current, &current);
    check_counted(&report.previous, &previous);
    assert_eq!((report.current.users, report.previous.users), (users(&current), users(&previous)));
    let ends = question.starts.iter().skip(1).copied().chain([question.to]);
    assert_eq!(report.buckets.len(), question.starts.len());
    for ((start, end), bucket) in question.starts.iter().zip(ends).zip(&report.buckets) {
        check_counted(bucket, &within((*start).max(question.from), end));
    }
    let agents = current.iter().map(|one| agent(one.agent).to_string());
    check_named(&report.agents, agents, &current);
    check_named(&report.models, current.iter().map(|one| one.model.to_owned()), &current);
    check_documents(report, &current);
    check_questions(report, &current);
}

fn check_named(found: &HashMap<String, Figures>, names: impl Iterator<Item = String>, told: &[&Told]) {
    let mut named: BTreeMap<String, Vec<&Told>> = BTreeMap::new();
    names.zip(told).for_each(|(name, one)| named.entry(name).or_default().push(one));
    let counted = found.iter().filter(|(_, figures)| figures.interactions > 0);
    assert_eq!(counted.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), named.keys().cloned().collect());
    for (name, told) in named {
        check_figures(&found[&name], &told);
    }
}

fn check_documents(report: &Report, told: &[&Told]) {
    let mut cited: BTreeMap<u128, i64> = BTreeMap::new();
    told.iter().flat_map(|one| &one.documents).for_each(|number| *cited.entry(document(*number).uuid().as_u128()).or_default() += 1);
    let mut cited: Vec<(u128, i64)> = cited.into_iter().collect();
    cited.sort_by_key(|(document, count)| (-count, *document));
    cited.truncate(10);
    assert_eq!(report.top_documents(), cited);
    for (document, _) in cited {
        let number = document - 2000;
        assert_eq!(report.names.documents[&document], (Some(format!("Document {number}")), Some(format!("file{number}.pdf"))));
    }
}

fn check_questions(report: &Report, told: &[&Told]) {
    let mut asked: BTreeMap<u8, Vec<&Told>> = BTreeMap::new();
    let unanswered = told.iter().filter(|one| one.status == "completed" && !one.answered);
    unanswered.for_each(|one| asked.entry(one.question).or_default().push(one));
    assert_eq!(report.questions.len(), asked.len());
    for found in &report.questions {
        let question = found.question.as_deref().unwrap();
        let number: u8 = question.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
        let mut exact = asked[&number].clone();
        exact.sort_by_key(|one| std::cmp::Reverse((one.at, one.id)));
        let ids: Vec<String> = exact.iter().take(20).map(|one| one.id.to_string()).collect();
        assert_eq!((found.count, found.last_seen, &found.interactions), (exact.len() as i64, exact[0].at, &ids));
    }
    assert!(report.questions.is_sorted_by_key(|question| (-question.count, -question.last_seen)));
}
