//! What each data spec command causes. At most one run is queued or running at a time; asking again is answered with that one.

use super::{DataSpec, DataSpecCommand, DataSpecError, DataSpecEvent, DataSpecSettings, DataSpecType, LiveDataSpec, UploadedFile};
use crate::{Decide, change::changes, id::RunId};

impl Decide for DataSpec {
    fn decide(&self, command: DataSpecCommand) -> Result<Vec<DataSpecEvent>, DataSpecError> {
        match (self, command) {
            (Self::Absent, DataSpecCommand::CreateDataSpec { organization, id, settings }) => {
                Ok(vec![DataSpecEvent::DataSpecCreated { organization, id, settings }])
            }
            (_, DataSpecCommand::CreateDataSpec { .. }) => Err(DataSpecError::AlreadyExists),
            (Self::Present(live), command) => live.decide(command),
            (Self::Absent | Self::Deleted, _) => Err(DataSpecError::NotFound),
        }
    }
}

impl LiveDataSpec {
    fn decide(&self, command: DataSpecCommand) -> Result<Vec<DataSpecEvent>, DataSpecError> {
        Ok(match command {
            DataSpecCommand::CreateDataSpec { .. } => return Err(DataSpecError::AlreadyExists),
            DataSpecCommand::UpdateDataSpec { patch } => updated(&self.settings, patch.onto(&self.settings)),
            DataSpecCommand::AddFiles { files } => self.add(files)?,
            DataSpecCommand::ProcessDataSpec { .. } if self.active_run.is_some() => Vec::new(),
            DataSpecCommand::ProcessDataSpec { run_id, trigger } => vec![DataSpecEvent::ProcessingRequested { run_id, trigger }],
            DataSpecCommand::StartRun { run_id } => {
                self.require_active(run_id)?;
                if self.running { Vec::new() } else { vec![DataSpecEvent::ProcessingStarted { run_id }] }
            }
            DataSpecCommand::CompleteRun { run_id, documents, index, errors, failed } => {
                self.require_active(run_id)?;
                vec![DataSpecEvent::ProcessingCompleted { run_id, documents, index, errors, failed }]
            }
            DataSpecCommand::FailRun { run_id, reason, errors, failed } => {
                self.require_active(run_id)?;
                vec![DataSpecEvent::ProcessingFailed { run_id, reason, errors, failed }]
            }
            DataSpecCommand::CancelRun { run_id } => {
                self.require_active(run_id)?;
                vec![DataSpecEvent::ProcessingCanceled { run_id }]
            }
            DataSpecCommand::SwitchEmbedding { manifest, model } => self.switch(manifest, model)?,
            DataSpecCommand::DeleteDataSpec => self.delete(),
        })
    }

    fn require_active(&self, run_id: RunId) -> Result<(), DataSpecError> {
        if self.active_run == Some(run_id) { Ok(()) } else { Err(DataSpecError::RunEnded) }
    }

    fn add(&self, files: Vec<UploadedFile>) -> Result<Vec<DataSpecEvent>, DataSpecError> {
        if !matches!(self.settings.kind, DataSpecType::File | DataSpecType::Csv | DataSpecType::QnaCsv) {
            return Err(DataSpecError::TakesNoFiles);
        }
        let known = |file: UploadedFile| match self.files.iter().find(|old| old.name == file.name) {
            Some(old) => UploadedFile { document_id: old.document_id, ..file },
            None => file,
        };
        Ok(vec![DataSpecEvent::FilesAdded { files: files.into_iter().map(known).collect() }])
    }

    fn switch(&self, manifest: String, model: String) -> Result<Vec<DataSpecEvent>, DataSpecError> {
        match &self.index {
            Some(index) if index.manifest == manifest && index.model == model => Ok(Vec::new()),
            Some(index) if index.manifest == manifest => Ok(vec![DataSpecEvent::EmbeddingSwitched { manifest, from: index.model.clone(), to: model }]),
            _ => Err(DataSpecError::IndexSuperseded),
        }
    }

    /// A run that is under way ends with its data spec.
    fn delete(&self) -> Vec<DataSpecEvent> {
        let canceled = self.active_run.map(|run_id| DataSpecEvent::ProcessingCanceled { run_id });
        canceled.into_iter().chain([DataSpecEvent::DataSpecDeleted {}]).collect()
    }

    fn evolve(&mut self, event: DataSpecEvent) {
        match event {
            DataSpecEvent::DataSpecUpdated { settings, .. } => self.settings = *settings,
            DataSpecEvent::FilesAdded { files } => {
                for file in files {
                    self.files.retain(|old| old.document_id != file.document_id);
                    self.files.push(file);
                }
            }
            DataSpecEvent::ProcessingRequested { run_id, .. } => (self.active_run, self.running) = (Some(run_id), false),
            DataSpecEvent::ProcessingStarted { .. } => self.running = true,
            DataSpecEvent::ProcessingCompleted { index, .. } => {
                self.index = Some(index);
                (self.active_run, self.running) = (None, false);
            }
            DataSpecEvent::ProcessingFailed { .. } | DataSpecEvent::ProcessingCanceled { .. } => (self.active_run, self.running) = (None, false),
            DataSpecEvent::EmbeddingSwitched { to, .. } => {
                if let Some(index) = &mut self.index {
                    index.model = to;
                }
            }
            DataSpecEvent::DataSpecCreated { .. } | DataSpecEvent::DataSpecDeleted {} => {}
        }
    }
}

fn updated(from: &DataSpecSettings, to: DataSpecSettings) -> Vec<DataSpecEvent> {
    let json = |settings: &DataSpecSettings| serde_json::to_value(settings).unwrap_or_default();
    match changes(&json(from), &json(&to)) {
        none if none.is_empty() => Vec::new(),
        changes => vec![DataSpecEvent::DataSpecUpdated { changes, settings: Box::new(to) }],
    }
}

impl DataSpec {
    pub(super) fn evolve(&mut self, event: DataSpecEvent) {
        match (&mut *self, event) {
            (_, DataSpecEvent::DataSpecCreated { settings, .. }) => {
                *self = Self::Present(Box::new(LiveDataSpec { settings: *settings, files: Vec::new(), active_run: None, running: false, index: None }));
            }
            (_, DataSpecEvent::DataSpecDeleted {}) => *self = Self::Deleted,
            (Self::Present(live), event) => live.evolve(event),
            (Self::Absent | Self::Deleted, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data_spec::{DataSpecPatch, DocumentCounts, Filters, PublishedIndex, RunTrigger, SyncSchedule},
        id::{DataSpecId, DocumentId, OrgId},
    };
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};
    use serde_json::json;
    use uuid::Uuid;

    fn given(events: Vec<DataSpecEvent>) -> AggregateTestExecutor<DataSpec> {
        TestFramework::<DataSpec>::with(()).given(events)
    }

    fn settings(kind: DataSpecType) -> Box<DataSpecSettings> {
        Box::new(DataSpecSettings {
            name: "Docs".into(),
            description: None,
            kind,
            config: json!({}),
            sync_schedule: SyncSchedule::Manual,
            tags: vec![],
            filters: Filters::default(),
        })
    }

    fn created(kind: DataSpecType) -> DataSpecEvent {
        DataSpecEvent::DataSpecCreated { organization: OrgId::from(Uuid::nil()), id: DataSpecId::from(Uuid::nil()), settings: settings(kind) }
    }

    fn run(n: u128) -> RunId {
        RunId::from(Uuid::from_u128(n))
    }

    fn requested(n: u128) -> DataSpecEvent {
        DataSpecEvent::ProcessingRequested { run_id: run(n), trigger: RunTrigger::Request }
    }

    fn process(n: u128) -> DataSpecCommand {
        DataSpecCommand::ProcessDataSpec { run_id: run(n), trigger: RunTrigger::Request }
    }

    fn index(model: &str) -> PublishedIndex {
        PublishedIndex { manifest: "m1".into(), model: model.into(), documents: 1, chunks: 2, bytes: 3 }
    }

    fn completed(n: u128) -> DataSpecEvent {
        DataSpecEvent::ProcessingCompleted { run_id: run(n), documents: DocumentCounts::default(), index: index("static"), errors: vec![], failed: 0 }
    }

    fn complete(n: u128) -> DataSpecCommand {
        DataSpecCommand::CompleteRun { run_id: run(n), documents: DocumentCounts::default(), index: index("static"), errors: vec![], failed: 0 }
    }

    fn file(document: u128, name: &str) -> UploadedFile {
        UploadedFile { document_id: DocumentId::from(Uuid::from_u128(document)), name: name.into(), sha256: "00".into(), bytes: 1 }
    }

    #[test]
    fn a_data_spec_is_created_once() {
        let create = || DataSpecCommand::CreateDataSpec {
            organization: OrgId::from(Uuid::nil()),
            id: DataSpecId::from(Uuid::nil()),
            settings: settings(DataSpecType::Text),
        };
        given(vec![]).when(create()).then_expect_events(vec![created(DataSpecType::Text)]);
        given(vec![created(DataSpecType::Text)]).when(create()).then_expect_error(DataSpecError::AlreadyExists);
    }

    #[test]
    fn an_update_that_changes_nothing_makes_no_event() {
        let rename = |name: &str| DataSpecCommand::UpdateDataSpec { patch: Box::new(DataSpecPatch { name: Some(name.into()), ..DataSpecPatch::default() }) };
        given(vec![created(DataSpecType::Text)]).when(rename("Docs")).then_expect_events(vec![]);
        let mut after = settings(DataSpecType::Text);
        after.name = "New".into();
        let changes = vec![crate::change::Change { path: "/name".into(), from: "Docs".into(), to: "New".into() }];
        given(vec![created(DataSpecType::Text)]).when(rename("New")).then_expect_events(vec![DataSpecEvent::DataSpecUpdated { changes, settings: after }]);
    }

    #[test]
    fn a_file_of_a_known_name_keeps_its_document() {
        let first = DataSpecEvent::FilesAdded { files: vec![file(1, "a.txt")] };
        let add = DataSpecCommand::AddFiles { files: vec![file(2, "a.txt"), file(3, "b.txt")] };
        given(vec![created(DataSpecType::File), first])
            .when(add)
            .then_expect_events(vec![DataSpecEvent::FilesAdded { files: vec![file(1, "a.txt"), file(3, "b.txt")] }]);
        given(vec![created(DataSpecType::Website)]).when(DataSpecCommand::AddFiles { files: vec![] }).then_expect_error(DataSpecError::TakesNoFiles);
    }

    #[test]
    fn there_is_never_a_second_run_at_once() {
        given(vec![created(DataSpecType::Text)]).when(process(1)).then_expect_events(vec![requested(1)]);
        given(vec![created(DataSpecType::Text), requested(1)]).when(process(2)).then_expect_events(vec![]);
        given(vec![created(DataSpecType::Text), requested(1), completed(1)]).when(process(2)).then_expect_events(vec![requested(2)]);
    }

    #[test]
    fn a_run_starts_once_and_ends_once() {
        let start = DataSpecCommand::StartRun { run_id: run(1) };
        let started = DataSpecEvent::ProcessingStarted { run_id: run(1) };
        let base = vec![created(DataSpecType::Text), requested(1)];
        given(base.clone()).when(start.clone()).then_expect_events(vec![started.clone()]);
        given(base.clone()).and(vec![started.clone()]).when(start.clone()).then_expect_events(vec![]);
        given(base.clone()).and(vec![started]).when(complete(1)).then_expect_events(vec![completed(1)]);
        for command in [
            start,
            complete(1),
            DataSpecCommand::CancelRun { run_id: run(1) },
            DataSpecCommand::FailRun { run_id: run(1), reason: "r".into(), errors: vec![], failed: 0 },
        ] {
            given(base.clone()).and(vec![completed(1)]).when(command.clone()).then_expect_error(DataSpecError::RunEnded);
        }
        let fail = DataSpecCommand::FailRun { run_id: run(1), reason: "r".into(), errors: vec![], failed: 0 };
        given(base.clone()).when(fail).then_expect_events(vec![DataSpecEvent::ProcessingFailed {
            run_id: run(1),
            reason: "r".into(),
            errors: vec![],
            failed: 0,
        }]);
        given(base).when(DataSpecCommand::CancelRun { run_id: run(1) }).then_expect_events(vec![DataSpecEvent::ProcessingCanceled { run_id: run(1) }]);
    }

    #[test]
    fn the_sharper_model_takes_over_only_the_index_it_embedded() {
        let base = vec![created(DataSpecType::Text), requested(1), completed(1)];
        let switch = |manifest: &str| DataSpecCommand::SwitchEmbedding { manifest: manifest.into(), model: "minilm".into() };
        let switched = DataSpecEvent::EmbeddingSwitched { manifest: "m1".into(), from: "static".into(), to: "minilm".into() };
        given(base.clone()).when(switch("m1")).then_expect_events(vec![switched.clone()]);
        given(base.clone()).and(vec![switched]).when(switch("m1")).then_expect_events(vec![]);
        given(base).when(switch("m0")).then_expect_error(DataSpecError::IndexSuperseded);
        given(vec![created(DataSpecType::Text)]).when(switch("m1")).then_expect_error(DataSpecError::IndexSuperseded);
    }

    #[test]
    fn deleting_ends_the_run_under_way() {
        let canceled = DataSpecEvent::ProcessingCanceled { run_id: run(1) };
        given(vec![created(DataSpecType::Text), requested(1)])
            .when(DataSpecCommand::DeleteDataSpec)
            .then_expect_events(vec![canceled, DataSpecEvent::DataSpecDeleted {}]);
        given(vec![created(DataSpecType::Text)]).when(DataSpecCommand::DeleteDataSpec).then_expect_events(vec![DataSpecEvent::DataSpecDeleted {}]);
    }

    #[test]
    fn nothing_happens_to_what_is_not_there() {
        for events in [vec![], vec![created(DataSpecType::Text), DataSpecEvent::DataSpecDeleted {}]] {
            for command in [process(1), complete(1), DataSpecCommand::DeleteDataSpec, DataSpecCommand::AddFiles { files: vec![] }] {
                given(events.clone()).when(command).then_expect_error(DataSpecError::NotFound);
            }
        }
    }
}
