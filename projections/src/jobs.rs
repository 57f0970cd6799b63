//! Jobs (erasures and replays): how far each is and what it came to, read from its own stream of events; and who works on it, by lease.

use serde_json::{Value, json};
use twig_commands::{log::RecordedEvent, vault::Vault};
use twig_domain::{
    Event, Timestamp,
    erasure::ErasureEvent,
    id::{InteractionId, JobId, OrgId},
    interaction::Failure,
    replay::{NewAnswer, ReplayEvent, ReplayPlan, ReplayedQuestion},
};

use crate::{
    ViewError, Views,
    fold::{FoldError, Row, Rows, Table},
    query,
    views::Tenant,
};

/// What marks the row of a job that has not ended.
const OPEN: &str = "open";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    Erasure,
    Replay,
}

impl JobKind {
    fn aggregate(self) -> &'static str {
        match self {
            Self::Erasure => "Erasure",
            Self::Replay => "Replay",
        }
    }
}

/// A row for each job, for the workers.
pub(crate) fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &Event) -> Result<(), FoldError> {
    let open = match event {
        Event::Erasure(ErasureEvent::ErasureRequested { .. }) | Event::Replay(ReplayEvent::ReplayRequested { .. }) => true,
        Event::Erasure(_) | Event::Replay(ReplayEvent::ReplayCompleted {} | ReplayEvent::ReplayFailed { .. }) => false,
        _ => return Ok(()),
    };
    let (organization, id) = (recorded.meta.organization, recorded.aggregate_id.as_str());
    let row = match rows.get(Table::Jobs, organization, id)? {
        Some(row) => row,
        None => {
            Row { parent: None, at: recorded.recorded_at.millis(), sort: recorded.position as i64, body: json!({"id": id, "kind": recorded.aggregate_type}) }
        }
    };
    rows.put(Table::Jobs, organization, id, Row { parent: open.then(|| OPEN.to_owned()), ..row });
    Ok(())
}

impl Views {
    /// Jobs that have not ended, oldest first.
    pub async fn open_jobs(&self, kind: JobKind) -> Result<Vec<(OrgId, JobId)>, ViewError> {
        self.read(Tenant::All, move |session, live| {
            let sql = format!("SELECT organization, id FROM {} WHERE parent = ?1 AND body ->> 'kind' = ?2 ORDER BY sort", query::name(live, Table::Jobs));
            let rows = session.query(&sql, &[OPEN.into(), kind.aggregate().into()])?;
            let known = rows.iter().map(|row| Ok((row.get::<String>(0)?, row.get::<String>(1)?))).collect::<Result<Vec<_>, ViewError>>()?;
            Ok(known.into_iter().filter_map(|(organization, id)| Some((organization.parse().ok()?, id.parse().ok()?))).collect())
        })
        .await
    }

    /// An erasure as a job, with its receipt.
    pub async fn erasure(&self, organization: OrgId, id: JobId) -> Result<Option<Value>, ViewError> {
        let Some(events) = self.job_events(JobKind::Erasure, organization, id).await? else { return Ok(None) };
        let (mut result, mut ended) = (Value::Null, None);
        for event in events {
            match event {
                Event::Erasure(ErasureEvent::ErasureCompleted { receipt }) => (result, ended) = (json!(receipt), Some(true)),
                Event::Erasure(ErasureEvent::ErasureFailed { reason }) => (result, ended) = (json!({ "reason": reason }), Some(false)),
                _ => {}
            }
        }
        let progress = self.job_progress(organization, id).await?;
        Ok(Some(job(id, ended, progress.0, progress.1.unwrap_or_else(|| json!({"done": 0, "total": null})), result)))
    }

    /// A replay as a job, with its report for each question.
    pub async fn replay(&self, organization: OrgId, id: JobId, vault: &Vault) -> Result<Option<Value>, ViewError> {
        let Some(events) = self.job_events(JobKind::Replay, organization, id).await? else { return Ok(None) };
        let (mut plan, mut questions, mut ended, mut reason) = (None, Vec::new(), None, None);
        for event in events {
            match event {
                Event::Replay(ReplayEvent::ReplayRequested { plan: asked, .. }) => plan = Some(asked),
                Event::Replay(ReplayEvent::QuestionReplayed { question }) => questions.push(*question),
                Event::Replay(ReplayEvent::ReplayCompleted {}) => ended = Some(true),
                Event::Replay(ReplayEvent::ReplayFailed { reason: told }) => (ended, reason) = (Some(false), Some(told)),
                _ => {}
            }
        }
        let total = plan.map_or(0, |plan| plan.interactions.len());
        let progress = json!({"done": questions.len(), "total": total});
        let (running, _) = self.job_progress(organization, id).await?;
        let result = if ended.is_some() { self.report(organization, questions, reason, vault).await? } else { Value::Null };
        Ok(Some(job(id, ended, running, progress, result)))
    }

    /// What a replay is to do, and which questions it has done.
    pub async fn replay_plan(&self, organization: OrgId, id: JobId) -> Result<Option<(ReplayPlan, Vec<InteractionId>)>, ViewError> {
        let Some(events) = self.job_events(JobKind::Replay, organization, id).await? else { return Ok(None) };
        let (mut plan, mut done) = (None, Vec::new());
        for event in events {
            match event {
                Event::Replay(ReplayEvent::ReplayRequested { plan: asked, .. }) => plan = Some(*asked),
                Event::Replay(ReplayEvent::QuestionReplayed { question }) => done.push(question.interaction_id),
                _ => {}
            }
        }
        Ok(plan.map(|plan| (plan, done)))
    }

    async fn job_events(&self, kind: JobKind, organization: OrgId, id: JobId) -> Result<Option<Vec<Event>>, ViewError> {
        let recorded = self.log.read_stream(kind.aggregate(), &id.to_string(), 0).await?;
        if recorded.first().is_none_or(|first| first.meta.organization != organization) {
            return Ok(None);
        }
        recorded.iter().map(|event| event.event().map_err(|error| ViewError::Other(error.to_string()))).collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// Whether somebody works on a job, and how far they said they are.
    async fn job_progress(&self, organization: OrgId, id: JobId) -> Result<(bool, Option<Value>), ViewError> {
        self.read(Tenant::Of(organization), move |session, _| {
            let row = session.query_first(
                "SELECT owner, body FROM run_progress WHERE organization = ?1 AND run = ?2",
                &[organization.to_string().into(), id.to_string().into()],
            )?;
            let Some(row) = row else { return Ok((false, None)) };
            let body: Option<String> = row.get(1)?;
            Ok((row.get::<Option<String>>(0)?.is_some(), body.and_then(|text| serde_json::from_str(&text).ok())))
        })
        .await
    }

    /// Takes or renews the lease of a job; `false` where somebody else holds it.
    pub async fn claim_job(&self, organization: OrgId, id: JobId, owner: String, now: Timestamp, lease_s: i64) -> Result<bool, ViewError> {
        self.change(move |session| {
            let sql = "INSERT INTO run_progress (organization, run, owner, lease_until) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (organization, run) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until \
                       WHERE run_progress.owner IS NULL OR run_progress.owner = excluded.owner OR run_progress.lease_until <= ?5";
            let until = now.plus_seconds(lease_s).millis();
            let claim = [organization.to_string().into(), id.to_string().into(), owner.into(), until.into(), now.millis().into()];
            Ok(session.execute(sql, &claim)? > 0)
        })
        .await
    }

    pub async fn report_job(&self, organization: OrgId, id: JobId, done: u64, total: u64) -> Result<(), ViewError> {
        self.change(move |session| {
            let body = twig_commands::database::Value::json(&json!({"done": done, "total": total}));
            let row = [organization.to_string().into(), id.to_string().into(), body];
            session.execute("UPDATE run_progress SET body = ?3 WHERE organization = ?1 AND run = ?2", &row)?;
            Ok(())
        })
        .await
    }

    async fn report(&self, organization: OrgId, questions: Vec<ReplayedQuestion>, reason: Option<String>, vault: &Vault) -> Result<Value, ViewError> {
        let vault = vault.clone();
        self.read(Tenant::Of(organization), move |session, live| {
            let mut reports = Vec::with_capacity(questions.len());
            let (mut answered, mut answered_before, mut failed) = (0u64, 0u64, 0u64);
            for question in &questions {
                let before =
                    query::get(session, live, Table::Interactions, organization, &question.interaction_id.to_string())?.map_or(Value::Null, |row| row.body);
                let report = report(question, &before, &vault);
                answered += u64::from(report["answered"] == true);
                answered_before += u64::from(before["answered"] == true);
                failed += u64::from(!report["error"].is_null());
                reports.push(report);
            }
            let summary = json!({"questions": reports.len(), "answered": answered, "answeredBefore": answered_before, "failed": failed});
            Ok(json!({"summary": summary, "questions": reports, "reason": reason}))
        })
        .await
    }
}

fn job(id: JobId, ended: Option<bool>, running: bool, progress: Value, result: Value) -> Value {
    let status = match ended {
        Some(true) => "succeeded",
        Some(false) => "failed",
        None if running => "running",
        None => "queued",
    };
    json!({"id": id, "status": status, "progress": progress, "result": result})
}

/// One question: the new answer at top level, the recorded one beside it.
fn report(question: &ReplayedQuestion, before: &Value, vault: &Vault) -> Value {
    let failure = question.error.as_ref().map(|Failure { code, message, .. }| json!({"code": code, "message": message}));
    let mut report = json!({
        "interactionId": question.interaction_id, "prompt": before["prompt"], "answer": null, "answered": null, "error": failure,
        "before": {
            "answer": before["response"], "answered": before["answered"], "agentVersion": before["agentVersion"], "latencyMs": before["latencyMs"],
            "usage": before["usage"], "grounding": before["grounding"], "sources": before["sources"].as_array().map_or(0, Vec::len),
        },
    });
    if let Some(answer) = &question.answer {
        let NewAnswer { response, .. } = answer;
        let text = response.as_ref().and_then(|sealed| vault.open_text(sealed).ok().flatten());
        let members = json!({
            "answer": text, "answered": answer.answered, "sourcesGained": answer.sources_gained, "sourcesLost": answer.sources_lost, "sourcesKept": answer.sources_kept,
            "latencyMs": answer.latency_ms, "usage": answer.usage, "grounding": answer.grounding, "costUsd": answer.cost_usd, "agentVersion": answer.agent_version,
        });
        for (name, value) in members.as_object().into_iter().flatten() {
            report[name] = value.clone();
        }
    }
    if before["erased"] == true {
        report["erased"] = true.into();
    }
    report
}
