//! The view store: SQLite, and PostgreSQL on the same history.

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree};
use serde_json::json;
use twig_commands::database::{Row, Value};
use twig_domain::Timestamp;

use super::{
    super::{
        dashboard::DashboardQuery,
        distinct::hash,
        fact::{Fact, Status},
        store::{Change, apply, rollups},
    },
    *,
};
use crate::{fold::Table, store as rows};
use history::{Step, agent, interaction, steps};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Every cell of a version, as it is stored: its key and its bytes.
#[expect(clippy::type_complexity, reason = "a whole row, to be compared and never used")]
fn cells(stores: &Stores, version: i64) -> BTreeMap<(String, i64, i64, i64, String), [Option<Vec<u8>>; 5]> {
    let sql = format!("SELECT scope, part, level, start, name, figures, sessions, users, groups, documents FROM {}", rollups(version));
    let rows = stores.write(|session| Ok(session.query(&sql, &[])?));
    let key = |row: &Row| (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap(), row.get(3).unwrap(), row.get(4).unwrap());
    rows.iter().map(|row| (key(row), std::array::from_fn(|place| row.get(5 + place).unwrap()))).collect()
}

fn ask(at: i64, question: u8) -> Step {
    Step::Ask { at, agent: 0, model: 0, session: 1, user: Some(1), question }
}

fn answer(answered: bool) -> Step {
    Step::Answer { which: 0, answered, latency: 900, tokens: 10, documents: vec![1], model: 0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn figures_are_those_of_an_exact_count_however_the_history_came_in(
        steps in steps(), batch in 1usize..60, days in 1i64..33, quarters in -48i64..56, cut in (0i64..DAY, 0i64..DAY), of_agent in prop::option::of(0u8..3),
    ) {
        let runtime = runtime();
        let _inside = runtime.enter();
        let (history, stores) = (History::of(&steps), Stores::sqlite());
        let events = history.recorded();
        stores.fold(1, &events, batch);
        let mut question = local_days(days, quarters * HOUR / 4);
        question.agent = of_agent.map(agent);
        exact::check(&stores.report(&question), &question, &history.told);
        // A range between two moments begins and ends within buckets, and its previous period is as long.
        (question.from, question.to) = (question.from + cut.0 % (DAY / 2), question.to - cut.1 % (DAY / 2));
        question.previous_from = 2 * question.from - question.to;
        exact::check(&stores.report(&question), &question, &history.told);
        // Built again, in other batches, every cell is the same.
        stores.write(|session| {
            rows::create_version(session, Projection::Interactions, 2)?;
            Ok(session.execute("INSERT INTO projections (name, version, position, live) VALUES ('interactions', 2, 0, 0)", &[])?)
        });
        stores.fold(2, &events, 1000);
        prop_assert_eq!(cells(&stores, 1), cells(&stores, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_25_hours_is_one_bucket_and_its_hours_are_25() {
    // 2026-10-25 in Berlin, from 22:00 UTC the day before.
    let (from, stores) = (1_792_879_200_000, Stores::sqlite());
    let history = History::of(&(0..50).map(|half| ask(from + half * HOUR / 2, 0)).collect::<Vec<_>>());
    stores.fold(1, &history.recorded(), 7);
    let day = Question { organization: organization(), agent: None, previous_from: from - DAY, from, to: from + 25 * HOUR, starts: vec![from] };
    assert_eq!(stores.report(&day).buckets[0].figures.interactions, 50);
    let hours = Question { starts: (0..25).map(|hour| from + hour * HOUR).collect(), ..day };
    assert!(stores.report(&hours).buckets.iter().all(|bucket| bucket.figures.interactions == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_that_comes_later_moves_the_figures_of_its_interaction_s_day() {
    let stores = Stores::sqlite();
    let history = History::of(&[
        ask(history::START + HOUR, 1),
        answer(true),
        Step::Rate { which: 0, positive: true, review: None },
        Step::Rate { which: 0, positive: false, review: Some(2) },
    ]);
    let question = local_days(2, 0);
    for (events, expected) in history.recorded().iter().zip([(0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 1, 1)]) {
        stores.fold(1, std::slice::from_ref(events), 1);
        let figures = &stores.report(&question).buckets[0].figures;
        assert_eq!((figures.positive, figures.negative, figures.reviews[2]), expected);
    }
}

fn erase(stores: &Stores, number: usize) {
    let id = interaction(number).to_string();
    stores.write(|session| {
        let before = rows::read(session, Table::Interactions, 1, organization(), &id)?.unwrap();
        let mut after = before.clone();
        after.body["prompt"] = json!(null);
        let sql = "UPDATE interactions_v1 SET body = ?3 WHERE organization = ?1 AND id = ?2";
        session.execute(sql, &[organization().to_string().into(), (&id).into(), Value::json(&after.body)])?;
        let change = Change::of(organization(), &id, Some(Fact::of(&before)), Some(&after)).unwrap();
        Ok(apply(session, 1, vec![change])?)
    });
}

fn count(stores: &Stores, sql: &str) -> i64 {
    stores.write(|session| Ok(session.query_one(sql, &[])?.get(0)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_question_leaves_its_group_and_every_count_stays() {
    let stores = Stores::sqlite();
    let steps: Vec<Step> = (0..3).flat_map(|minute| [ask(history::START + minute * 60_000, 5), answer(false)]).collect();
    stores.fold(1, &History::of(&steps).recorded(), 100);
    let question = local_days(1, 0);
    let before = stores.report(&question);
    assert_eq!(before.questions[0].count, 3);
    erase(&stores, 0);
    erase(&stores, 2);
    let after = stores.report(&question);
    assert_eq!((after.questions[0].count, &after.questions[0].interactions), (1, &vec![interaction(1).to_string()]));
    assert_eq!((&after.current, &after.documents), (&before.current, &before.documents), "only the question is gone");
    assert_eq!(count(&stores, "SELECT count(*) FROM questions"), 1);
    erase(&stores, 1);
    assert_eq!(stores.report(&question).questions, []);
    assert_eq!(count(&stores, "SELECT count(*) FROM questions") + count(&stores, "SELECT count(*) FROM unanswered_v1"), 0, "nothing of the wording is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_one_meaning_become_one_group_also_where_they_were_counted_before() {
    let stores = Stores::sqlite();
    let steps: Vec<Step> = (0..6).flat_map(|place: u8| [ask(history::START + i64::from(place) * HOUR, place % 3), answer(false)]).collect();
    stores.fold(1, &History::of(&steps).recorded(), 100);
    let mut waiting = stores.views.waiting_questions(10).await.unwrap();
    waiting.sort_by_key(|wording| wording.text.chars().find(char::is_ascii_digit));
    assert_eq!(waiting.len(), 3);
    let stamp = stores.views.figures_stamp(organization()).await.unwrap();
    for (wording, vector) in waiting.into_iter().zip([[1.0, 0.0], [0.0, 1.0], [0.96, 0.28]]) {
        stores.views.place_question(wording, vector.to_vec()).await.unwrap();
    }
    assert_eq!(stores.views.waiting_questions(10).await.unwrap(), []);
    assert_ne!(stores.views.figures_stamp(organization()).await.unwrap(), stamp, "the dashboard has changed");
    let report = stores.report(&local_days(1, 0));
    assert_eq!(report.questions.iter().map(|question| question.count).collect::<Vec<_>>(), [4, 2], "numbers 0 and 2 mean the same");
    assert_eq!(report.questions[0].question.as_deref(), Some("question Number 2"), "the newest stands for all");
    // A wording that is known goes to its group at once; the group outlives the interaction that it began with.
    erase(&stores, 0);
    erase(&stores, 3);
    assert_eq!(stores.report(&local_days(1, 0)).questions.iter().map(|question| question.count).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(count(&stores, "SELECT count(*) FROM questions WHERE leads = 1"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_dashboard_is_that_of_its_stamp_and_reaches_as_far_as_the_view() {
    let stores = Stores::sqlite();
    let history = History::of(&[ask(history::START, 1), answer(true), ask(history::START + HOUR, 2), answer(true)]);
    let query = DashboardQuery {
        from: Timestamp::from_millis(history::START),
        to: Timestamp::from_millis(history::START + DAY),
        previous_from: Timestamp::from_millis(history::START - DAY),
        agent: None,
        buckets: vec![(Timestamp::from_millis(history::START), "day".to_owned())],
    };
    let mut seen = Vec::new();
    for event in history.recorded() {
        stores.fold(1, std::slice::from_ref(&event), 1);
        let stamp = stores.views.figures_stamp(organization()).await.unwrap();
        let counted = stores.views.counted(organization(), &query).await.unwrap();
        for _ in 0..2 {
            let told = stores.views.dashboard(organization(), &stamp, query.clone()).await.unwrap();
            assert_eq!((&told.summary, &told.charts, told.position), (&counted.summary, &counted.charts, event.position));
        }
        seen.push(counted.summary["interactions"]["value"].as_i64().unwrap());
    }
    assert!(seen.first() < seen.last(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_dashboard_keeps_its_stamp_and_every_change_gives_another() {
    let stores = Stores::sqlite();
    let history = History::of(&[
        ask(history::START, 1),
        answer(true),
        Step::Rate { which: 0, positive: true, review: None },
        Step::Rate { which: 0, positive: true, review: None },
    ]);
    let mut stamps = vec![stores.views.figures_stamp(organization()).await.unwrap()];
    for event in history.recorded() {
        stores.fold(1, &[event], 1);
        stamps.push(stores.views.figures_stamp(organization()).await.unwrap());
    }
    assert_eq!(stamps.iter().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert_eq!(stamps[3], stamps[4], "the same feedback again changes no figure");
}

/// Very many sessions and users, straight into cells.
#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_and_users_are_counted_within_three_percent() {
    let (stores, many) = (Stores::sqlite(), 40_000_i64);
    let fact = |number: i64| Fact {
        at: history::START + number * DAY / many,
        agent: agent(0).to_string(),
        model: "m".into(),
        session: hash(&format!("session {}", number / 2)),
        user: Some(hash(&format!("user {}", number % 9000))),
        status: Status::Completed,
        answered: true,
        latency: Some(5),
        tokens: 1,
        positive: None,
        review: None,
        documents: Vec::new(),
        unanswered: None,
    };
    let change = |number: i64| Change {
        organization: organization(),
        id: number.to_string(),
        sort: number,
        order: number as u64,
        position: number,
        before: None,
        after: Some(fact(number)),
        cited: Vec::new(),
    };
    for part in (0..many).collect::<Vec<_>>().chunks(5000) {
        stores.write(|session| Ok(apply(session, 1, part.iter().map(|number| change(*number)).collect())?));
    }
    let hours = Question { starts: (0..24).map(|hour| history::START + hour * HOUR).collect(), ..local_days(1, 0) };
    let report = stores.report(&hours);
    let within = |found: u64, exact: u64| assert!(found.abs_diff(exact) as f64 <= 0.03 * exact as f64, "{found} for {exact}");
    within(report.current.sessions, many as u64 / 2);
    within(report.current.users, 9000);
    report.buckets.iter().for_each(|bucket| assert!((833..=835).contains(&bucket.sessions), "an hour's are few enough to be exact: {}", bucket.sessions));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_has_the_figures_of_sqlite() {
    let Some(url) = twig_test_servers::postgres_url() else { return };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps: Vec<Step> = (0..4).flat_map(|_| steps().new_tree(&mut runner).unwrap().current()).collect();
    let (history, ours, theirs) = (History::of(&steps), Stores::sqlite(), Stores::postgres(&url));
    ours.fold(1, &history.recorded(), 50);
    theirs.fold(1, &history.recorded(), 33);
    assert_eq!(cells(&ours, 1), cells(&theirs, 1));
    for question in [local_days(30, 0), local_days(30, HOUR), Question { agent: Some(agent(1)), ..local_days(7, 5 * HOUR + 3 * HOUR / 4) }] {
        let (one, two) = (ours.report(&question), theirs.report(&question));
        assert_eq!((one.summary(), one.charts(&["x"; 30])), (two.summary(), two.charts(&["x"; 30])));
        exact::check(&two, &question, &history.told);
    }
}
