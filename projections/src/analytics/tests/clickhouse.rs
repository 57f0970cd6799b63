//! ClickHouse: the same figures, each event once.

use proptest::{prelude::*, strategy::ValueTree};

use super::{
    super::clickhouse::{ClickHouse, ClickHouseSink},
    *,
};
use history::{Step, agent, steps};

struct Both {
    stores: Stores,
    sink: ClickHouseSink,
}

impl Both {
    fn on(url: &str) -> Self {
        let stores = Stores::sqlite();
        let sink = ClickHouseSink { store: ClickHouse::at(url).unwrap(), views: stores.views.clone() };
        Self { stores, sink }
    }

    /// The history, in the log and in the view store.
    async fn fill(&self, history: &History) {
        history.append_to(&self.stores.log).await;
        let events = self.stores.log.read(0, 100_000).await.unwrap();
        self.stores.fold(1, &events, 100);
    }

    async fn equal(&self, history: &History) {
        for question in questions() {
            let ours = self.stores.report(&question);
            let mut theirs = self.sink.store.report(&question).await.unwrap();
            self.stores.write(|session| {
                let live = live_versions(session)?;
                Ok(ViewStore { session, live: &live }.complete(&question, &mut theirs)?)
            });
            let starts: Vec<&str> = question.starts.iter().map(|_| "x").collect();
            assert_eq!((theirs.summary(), theirs.charts(&starts)), (ours.summary(), ours.charts(&starts)), "{question:?}");
            exact::check(&theirs, &question, &history.told);
        }
    }
}

/// Days in zones of whole, half and no hours, of one agent too, and a range between two moments.
fn questions() -> Vec<Question> {
    let cut = local_days(5, HOUR);
    let (from, to) = (cut.from + 1_234_567, cut.to - 7_654_321);
    vec![
        local_days(30, 0),
        local_days(30, HOUR),
        local_days(7, 5 * HOUR + 3 * HOUR / 4),
        Question { agent: Some(agent(1)), ..local_days(30, -HOUR / 2) },
        Question { from, to, previous_from: 2 * from - to, agent: Some(agent(0)), ..cut.clone() },
        Question { from, to, previous_from: 2 * from - to, ..cut },
    ]
}

fn some_history() -> History {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps: Vec<Step> = (0..3).flat_map(|_| steps().new_tree(&mut runner).unwrap().current()).collect();
    History::of(&steps)
}

#[tokio::test(flavor = "multi_thread")]
async fn clickhouse_has_the_figures_of_the_view_store() {
    let Some(url) = twig_test_servers::clickhouse_url() else { return };
    let (both, history) = (Both::on(&url), some_history());
    both.fill(&history).await;
    both.sink.catch_up().await.unwrap();
    both.equal(&history).await;
    // More of the same interactions, in ranges of their own: what was is taken back.
    both.sink.catch_up().await.unwrap();
    both.equal(&history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_went_in_before_a_crash_goes_in_once() {
    let Some(url) = twig_test_servers::clickhouse_url() else { return };
    let (both, history) = (Both::on(&url), some_history());
    both.fill(&history).await;
    both.sink.prepare().await.unwrap();
    // Ranges of a few events each, and each dies after its rows went in and before that was written down.
    while both.sink.go_in(7).await.unwrap().is_some() {
        both.sink.go_in(7).await.unwrap();
        let range = both.sink.go_in(9999).await.unwrap().unwrap();
        assert!(range.1 - range.0.offset <= 7, "the recorded range goes in again, not another");
        both.sink.settle(range).await.unwrap();
    }
    both.equal(&history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_store_or_a_clickhouse_made_anew_begins_at_nothing() {
    let Some(url) = twig_test_servers::clickhouse_url() else { return };
    let (one, history) = (Both::on(&url), some_history());
    one.fill(&history).await;
    one.sink.catch_up().await.unwrap();
    // Other views of the same log, which know of no range.
    let other = Both::on(&url);
    other.fill(&history).await;
    other.sink.catch_up().await.unwrap();
    other.equal(&history).await;
    // And the ClickHouse of before is another's now.
    one.sink.catch_up().await.unwrap();
    one.equal(&history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clickhouse_killed_again_and_again_ends_with_every_event_once() {
    const RANGE_EVENTS: usize = 15;
    let Some(mut servers) = twig_test_servers::Servers::start(&["clickhouse"], 1) else { return };
    let (both, history) = (Both::on(&servers.clickhouse_url()), some_history());
    both.fill(&history).await;
    both.sink.prepare().await.unwrap();
    loop {
        // The kill falls anywhere in a range's way in: before its rows, between its tables and their views, or after.
        let sink = both.sink.clone();
        let going_in = tokio::spawn(async move {
            while let Ok(Some(range)) = sink.go_in(RANGE_EVENTS).await {
                sink.settle(range).await.unwrap();
            }
        });
        tokio::task::block_in_place(|| servers.kill("clickhouse"));
        going_in.await.unwrap();
        tokio::task::block_in_place(|| servers.start_again("clickhouse"));
        let Some(range) = both.sink.go_in(RANGE_EVENTS).await.unwrap() else { break };
        both.sink.settle(range).await.unwrap();
    }
    both.equal(&history).await;
}
