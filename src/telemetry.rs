//! Logs go to standard error; traces go to an OpenTelemetry collector, where one is set.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::Settings;

const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// What has to be ended, so that the last spans get out.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// A command that does not serve logs its errors only, and sends no traces.
    pub fn begin(settings: &Settings, serves: bool) -> Result<Self, String> {
        let level = if serves { settings.log_level.as_str() } else { "error" };
        let filter = EnvFilter::try_new(level).map_err(|_| format!("log_level is {:?}; allowed are error, warn, info, debug and trace", settings.log_level))?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let lines = if settings.log == "json" { lines.json().boxed() } else { lines.boxed() };
        let provider = settings.otlp_endpoint.as_deref().filter(|_| serves).map(provider).transpose()?;
        // Of what this product does; the exporter's own requests would make spans without end.
        let ours = Targets::new().with_target("twig", LevelFilter::INFO);
        let traces = provider.as_ref().map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("twig")).with_filter(ours));
        tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init().map_err(|error| error.to_string())?;
        Ok(Self(provider))
    }

    /// Sends what is left.
    pub async fn end(self) {
        let Some(provider) = self.0 else { return };
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORT_TIMEOUT)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| format!("traces can't be exported: {error}"))?;
    let resource = Resource::builder().with_service_name("twig").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
