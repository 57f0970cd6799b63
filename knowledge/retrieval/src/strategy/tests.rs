use super::*;
use crate::{BuiltIn, Passage, embedding_text};

const DOCUMENTS: [(&str, &str); 12] = [
    ("Refund policy", "Refunds are granted within thirty days of purchase. The customer must show the receipt. Refunds are paid to the card that was used."),
    ("Shipping guide", "Parcels to Norway arrive within five working days. Express parcels to Norway cost twelve euros."),
    ("Penguin handbook", "The emperor penguin incubates its egg for sixty-four days. The colony winters on sea ice."),
    (
        "Staff handbook",
        "Every employee has twenty-eight days of paid leave a year. Unused days lapse at the end of March. Ask your manager at least two weeks ahead.",
    ),
    ("Password rules", "A password has at least fourteen characters. After five wrong attempts the account is locked for thirty minutes."),
    ("Office kitchen", "The coffee machine is descaled every Friday. Milk is ordered on Tuesdays by the front desk."),
    ("Pricing", "| Plan | Seats | Price |\n| --- | --- | --- |\n| Basic | 3 | $20 a month |\n| Team | 25 | $150 a month |"),
    ("Backups", "Databases are backed up nightly at 02:00 UTC. Backups are kept for ninety days in another region."),
    ("FAQ", "### Can I bring my dog to the office?\n\nDogs are welcome on Mondays and Fridays, as long as they are quiet."),
    ("Installation", "Run the following to install the command line tool:\n\n```sh\ncurl -fsSL get.example.com | sh\ntwig init\n```"),
    ("Employees", "Name: Ada Byron\nRole: Lead engineer\nCity: London\n\nName: Grace Munro\nRole: Accountant\nCity: Leeds"),
    ("Returns of damaged goods", "If an item arrives broken, send us a photo within 48 hours and we replace it at no charge."),
];

const ANSWERABLE: [(&str, &str); 22] = [
    ("Within how many days of purchase are refunds granted?", "Refund policy"),
    ("Do I need my receipt to get my money refunded?", "Refund policy"),
    ("How much do express parcels to Norway cost?", "Shipping guide"),
    ("how long until a package gets to norway", "Shipping guide"),
    ("How long does the emperor penguin incubate its egg?", "Penguin handbook"),
    ("Where does the penguin colony spend the winter?", "Penguin handbook"),
    ("How many days of leave do employees get?", "Staff handbook"),
    ("When do unused leave days lapse?", "Staff handbook"),
    ("How long must a password be?", "Password rules"),
    ("What happens after five wrong password attempts?", "Password rules"),
    ("Which day is the coffee machine descaled?", "Office kitchen"),
    ("Who orders the milk?", "Office kitchen"),
    ("What does the team plan cost?", "Pricing"),
    ("How many seats are in the basic plan?", "Pricing"),
    ("How long are backups kept?", "Backups"),
    ("When are the databases backed up?", "Backups"),
    ("May I bring a dog to the office?", "FAQ"),
    ("How do I install the command line tool?", "Installation"),
    ("What is Ada Byron's role?", "Employees"),
    ("Who is the accountant?", "Employees"),
    ("My item arrived broken, what now?", "Returns of damaged goods"),
    ("how long is an acount locked", "Password rules"),
];

const OTHERS: [&str; 20] = [
    "Zygomorphic quaternion brouhaha sphinx?",
    "What is the capital of France?",
    "How do I bake sourdough bread?",
    "Who won the football world cup in 1998?",
    "What is the boiling point of mercury?",
    "Explain quantum entanglement",
    "How tall is Mount Everest?",
    "Which medicine helps against migraine?",
    "Write a poem about autumn",
    "What is the price of bitcoin?",
    "How do I change a bicycle tyre?",
    "Is there a swimming pool near the airport?",
    "What is the tax rate for dividends?",
    "Does the company sponsor visas?",
    "How do giraffes sleep?",
    "Who is the chief executive?",
    "Can I pay with PayPal?",
    "What languages does the interface support?",
    "When was the company founded?",
    "How do I cancel a flight?",
];

fn index(model: BuiltIn, documents: &[(&str, &str)]) -> Arc<SpecIndex> {
    let passage = |(title, text): &(&str, &str)| Passage {
        chunk_id: (*title).to_owned(),
        document_id: (*title).to_owned(),
        title: (*title).to_owned(),
        text: (*text).to_owned(),
        ..Passage::default()
    };
    let passages: Vec<Passage> = documents.iter().map(passage).collect();
    let vectors = passages.iter().map(|passage| model.embed_query(&embedding_text(passage))).collect();
    Arc::new(SpecIndex::build(model.name(), passages, vectors))
}

fn ask(model: BuiltIn, strategy: Strategy, indexes: &[Arc<SpecIndex>], query: &str) -> Retrieval {
    let vectors = HashMap::from([(model.name().to_owned(), model.embed_query(query))]);
    retrieve(&Request { strategy, query, first_tier: indexes, second_tier: &[], vectors: &vectors, mode: Mode::Hybrid, limit: 8, min_score: None })
}

#[test]
fn what_the_documents_say_is_answered_and_nothing_else() {
    for model in BuiltIn::ALL {
        for (documents, asked) in [(&DOCUMENTS[..3], &ANSWERABLE[..6]), (&DOCUMENTS[..], &ANSWERABLE[..])] {
            let indexes = [index(model, documents)];
            let mut wrong = Vec::new();
            let mut refused = Vec::new();
            for (question, title) in asked {
                let found = ask(model, Strategy::Redwood, &indexes, question);
                if found.hits.first().is_none_or(|hit| hit.passage.title != *title) {
                    wrong.push((question, found.hits.first().map(|hit| hit.passage.title.clone())));
                }
                if !found.answerable {
                    refused.push((question, found.confidence));
                }
            }
            let others = OTHERS.iter().map(|question| (question, ask(model, Strategy::Redwood, &indexes, question)));
            let answered: Vec<_> = others.filter(|(_, found)| found.answerable).map(|(question, found)| (question, found.confidence)).collect();
            assert!(wrong.len() * 20 <= asked.len(), "{model:?}: {wrong:?}");
            assert!(refused.len() * 10 <= asked.len().max(10), "{model:?}: {refused:?}");
            assert!(answered.len() * 10 <= OTHERS.len(), "{model:?}: {answered:?}");
            assert!(!ask(model, Strategy::Redwood, &indexes, OTHERS[0]).answerable);
            assert!(ask(model, Strategy::Redwood, &indexes, ANSWERABLE[0].0).answerable);
        }
    }
}

#[test]
fn every_strategy_finds_the_right_document_and_refuses_nonsense() {
    for model in BuiltIn::ALL {
        let indexes = [index(model, &DOCUMENTS[..3])];
        for strategy in [Strategy::Redwood, Strategy::Cedar, Strategy::Cypress] {
            let found = ask(model, strategy, &indexes, ANSWERABLE[0].0);
            assert!(found.answerable && found.hits[0].passage.title == "Refund policy", "{strategy:?}");
            assert!(found.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
            assert!(!ask(model, strategy, &indexes, OTHERS[0]).answerable, "{strategy:?}");
        }
    }
}

#[test]
fn a_follow_up_is_answered_by_what_it_follows() {
    let turns = [Turn {
        prompt: "How long does the emperor penguin incubate its egg?".into(),
        response: "The emperor penguin incubates its egg for sixty-four days. [1]".into(),
    }];
    let query = rewrite_by_rules(&turns, "And where does its colony winter?");
    for model in BuiltIn::ALL {
        let found = ask(model, Strategy::Cedar, &[index(model, &DOCUMENTS[..3])], &query);
        assert!(found.answerable && found.hits[0].passage.title == "Penguin handbook", "{model:?} {found:?}");
        let nonsense = rewrite_by_rules(&turns, OTHERS[0]);
        assert!(!ask(model, Strategy::Cedar, &[index(model, &DOCUMENTS[..3])], &nonsense).answerable);
    }
}

#[test]
fn cypress_records_its_steps_and_what_it_fell_back_from() {
    let indexes = [index(BuiltIn::Static, &DOCUMENTS[..3])];
    let query = ANSWERABLE[0].0;
    let vectors = HashMap::from([("static".to_owned(), BuiltIn::Static.embed_query(query))]);
    let request = Request {
        strategy: Strategy::Cypress,
        query,
        first_tier: &indexes,
        second_tier: &[],
        vectors: &vectors,
        mode: Mode::Hybrid,
        limit: 2,
        min_score: None,
    };
    let found = retrieve_reranked_by(&request, &|_, _| Err("it is down".to_owned()));
    let names: Vec<&str> = found.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["expand", "search", "search", "fuse", "rerank", "read", "decide"]);
    assert_eq!(found.steps[4].detail["fellBackFrom"], "it is down");
    let sorted = retrieve_reranked_by(&request, &|_, texts| Ok(texts.iter().map(|text| if text.contains("Norway") { 9.0 } else { 0.0 }).collect()));
    assert_eq!(sorted.steps[4].detail["by"], "provider");
}

#[test]
fn sources_far_below_the_best_are_dropped() {
    for model in BuiltIn::ALL {
        let found = ask(model, Strategy::Redwood, &[index(model, &DOCUMENTS)], "Which day is the coffee machine descaled?");
        assert!(found.hits.len() <= 3, "{:?}", found.hits.iter().map(|hit| &hit.passage.title).collect::<Vec<_>>());
    }
}
