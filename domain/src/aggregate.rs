//! The one thing this product adds to cqrs-es's `Aggregate`: a decision that is synchronous and pure.

use cqrs_es::Aggregate;

/// An aggregate whose commands are decided by a pure function. `Aggregate::handle` only calls it.
pub trait Decide: Aggregate<Services = ()> + Clone + 'static {
    /// The events that `command` causes in this state: none where nothing changes.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;
}

/// `impl Aggregate` for a state with `decide` and `evolve`: the glue that is the same for each of the five.
macro_rules! aggregate {
    ($state:ty, $name:literal, $command:ty, $event:ty, $error:ty) => {
        impl cqrs_es::Aggregate for $state {
            const TYPE: &'static str = $name;
            type Command = $command;
            type Event = $event;
            type Error = $error;
            type Services = ();

            async fn handle(&mut self, command: Self::Command, (): &Self::Services, sink: &cqrs_es::event_sink::EventSink<Self>) -> Result<(), Self::Error> {
                for event in crate::Decide::decide(self, command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                self.evolve(event);
            }
        }
    };
}
/// `impl DomainEvent` for an event enum that is tagged by its variants' names.
macro_rules! domain_event {
    ($event:ident { $($variant:ident = $version:literal),+ $(,)? }) => {
        impl $event {
            /// Every event type of the aggregate with its current version.
            pub const TYPES: &'static [(&'static str, u32)] = &[$((stringify!($variant), $version)),+];

            /// The variant's name, as it stands in the log.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => stringify!($variant)),+ }
            }

            /// The version of the event's shape.
            #[must_use]
            pub fn shape_version(&self) -> u32 {
                match self { $(Self::$variant { .. } => $version),+ }
            }
        }

        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                self.name().to_owned()
            }

            fn event_version(&self) -> String {
                self.shape_version().to_string()
            }
        }
    };
}
pub(crate) use {aggregate, domain_event};
