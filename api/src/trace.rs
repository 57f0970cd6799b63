//! A request's span, which goes on where the caller's trace is: `traceparent` (W3C Trace Context) is honoured.

use actix_web::HttpRequest;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{dispatch::Compiled, request::is_traceparent};

/// Named and described as OpenTelemetry's conventions for HTTP servers have it.
pub fn span(routes: &[Compiled], http: &HttpRequest, request_id: &str) -> Span {
    let (method, route) = (http.method().as_str(), routes.first().map_or("unknown", |compiled| compiled.route.path));
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id,
    );
    if let Some(caller) = http.headers().get("traceparent").and_then(|value| value.to_str().ok()).and_then(parent) {
        // Nobody may be listening to spans: then there is nothing to go on with.
        let _ = span.set_parent(Context::new().with_remote_span_context(caller));
    }
    span
}

fn parent(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let caller = SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, TraceState::default());
    (is_traceparent(traceparent) && caller.is_valid()).then_some(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_a_parent() {
        let whole = parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert!(whole.is_some_and(|caller| caller.is_remote() && caller.is_sampled()));
        for other in
            ["", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-zz-b7ad6b7169203331-01"]
        {
            assert!(parent(other).is_none(), "{other}");
        }
    }
}
