//! Shapes that events once had, brought to the newest. Every version ever shipped has a stored sample in `tests/samples/`.

use cqrs_es::persist::{EventUpcaster, SerializedEvent};

/// None yet: every event is at its first version. A new shape adds its `SemanticVersionEventUpcaster` here.
fn upcasters() -> &'static [Box<dyn EventUpcaster>] {
    &[]
}

pub(crate) fn upcast(event: SerializedEvent) -> SerializedEvent {
    upcasters().iter().fold(event, |event, upcaster| if upcaster.can_upcast(&event.event_type, &event.event_version) { upcaster.upcast(event) } else { event })
}
