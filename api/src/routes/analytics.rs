//! `/api/analytics/charts/dashboard`: the range and its buckets in the asked time zone; the figures are the views'.

use std::sync::Arc;

use actix_web::http::Method;
use jiff::{ToSpan, Zoned, civil::Date, tz::TimeZone};
use serde_json::json;
use twig_domain::{Timestamp, id::AgentId, organization::Scope};
use twig_projections::{Dashboard, DashboardQuery};

use super::date_query;
use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::{Request, bad_parameter},
    route::{Gives, Route, handler},
    schemas::named,
};

const DEFAULT_DAYS: i64 = 30;
const MAX_BUCKETS: usize = 2500;
const A_DATE: &str = "a day (YYYY-MM-DD) or an RFC 3339 time";

pub fn routes(all: &mut Vec<Route>) {
    let string = || json!({"type": "string"});
    let query = [
        ("startDate", date_query()),
        ("endDate", date_query()),
        ("agentId", string()),
        ("granularity", json!({"enum": ["hour", "day", "week", "month"]})),
        ("timezone", string()),
    ];
    let gives = Gives::One(200, named("Dashboard"));
    all.push(
        Route::new(Method::GET, "/api/analytics/charts/dashboard", &[Scope::AnalyticsRead], "The dashboard's figures", gives, handler!(dashboard))
            .query(&query)
            .tagged(),
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Granularity {
    Hour,
    Day,
    Week,
    Month,
}

impl Granularity {
    const ALL: [(&'static str, Self); 4] = [("hour", Self::Hour), ("day", Self::Day), ("week", Self::Week), ("month", Self::Month)];

    /// The finest that keeps a chart readable.
    fn fitting(days: f64) -> Self {
        if days <= 2.0 {
            Self::Hour
        } else if days <= 92.0 {
            Self::Day
        } else if days <= 400.0 {
            Self::Week
        } else {
            Self::Month
        }
    }

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, one)| *one == self).map_or("", |(name, _)| name)
    }

    /// The start of the bucket that a moment is in.
    fn start(self, at: &Zoned) -> Result<Zoned, jiff::Error> {
        let day = |date: Date| date.to_zoned(at.time_zone().clone());
        match self {
            Self::Hour => Ok(at.clone() - i64::from(at.minute()).minutes().seconds(i64::from(at.second())).milliseconds(i64::from(at.millisecond()))),
            Self::Day => day(at.date()),
            Self::Week => day(at.date().checked_sub(i64::from(at.date().weekday().to_monday_zero_offset()).days())?),
            Self::Month => day(at.date().first_of_month()),
        }
    }

    /// The start of the next: hours are real ones, days and more those of the calendar, so that a day with a clock change is one day.
    fn next(self, start: &Zoned) -> Result<Zoned, jiff::Error> {
        match self {
            Self::Hour => start.checked_add(1.hour()),
            Self::Day => start.date().checked_add(1.day())?.to_zoned(start.time_zone().clone()),
            Self::Week => start.date().checked_add(7.days())?.to_zoned(start.time_zone().clone()),
            Self::Month => start.date().checked_add(1.month())?.to_zoned(start.time_zone().clone()),
        }
    }
}

/// A bound of the range: a local day or a moment.
#[derive(Clone, Copy)]
enum Bound {
    Day(Date),
    Moment(Timestamp),
}

fn bound(request: &Request, name: &str) -> Result<Option<Bound>, Problem> {
    let Some(text) = request.query.get(name) else { return Ok(None) };
    if text.len() == 10 {
        return text.parse().map(|date| Some(Bound::Day(date))).map_err(|_| bad_parameter(name, A_DATE));
    }
    text.parse().map(|time| Some(Bound::Moment(time))).map_err(|_| bad_parameter(name, A_DATE))
}

/// The range: `[from, to)`, and where the period before it begins.
struct Range {
    from: Zoned,
    to: Zoned,
    previous_from: Zoned,
}

impl Range {
    fn of(start: Option<Bound>, end: Option<Bound>, now: Timestamp, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let moment = |at: Timestamp| Ok::<_, jiff::Error>(jiff::Timestamp::from_millisecond(at.millis())?.to_zoned(zone.clone()));
        let midnight = |date: Date| date.to_zoned(zone.clone());
        let to = match end {
            Some(Bound::Moment(at)) => moment(at)?,
            Some(Bound::Day(date)) => midnight(date.tomorrow()?)?,
            None => midnight(moment(now)?.date().tomorrow()?)?,
        };
        let from = match start {
            Some(Bound::Moment(at)) => moment(at)?,
            Some(Bound::Day(date)) => midnight(date)?,
            None => midnight(to.date().checked_sub(DEFAULT_DAYS.days())?)?,
        };
        let by_moments = matches!(start, Some(Bound::Moment(_))) || matches!(end, Some(Bound::Moment(_)));
        let previous_from = if by_moments {
            moment(Timestamp::from_millis(2 * from.timestamp().as_millisecond() - to.timestamp().as_millisecond()))?
        } else {
            let days = i64::from(from.date().until(to.date())?.get_days());
            midnight(from.date().checked_sub(days.days())?)?
        };
        Ok(Self { from, to, previous_from })
    }
}

fn written(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn at(zoned: &Zoned) -> Timestamp {
    Timestamp::from_millis(zoned.timestamp().as_millisecond())
}

async fn dashboard(request: Arc<Request>) -> Answer {
    let organization = request.org()?;
    let zone_name = request.query.get("timezone").map_or("UTC", String::as_str);
    let zone = TimeZone::get(zone_name).map_err(|_| bad_parameter("timezone", "an IANA time zone such as Europe/Berlin"))?;
    let given = match request.query.get("granularity") {
        None => None,
        Some(text) => {
            let found = Granularity::ALL.into_iter().find(|(name, _)| name == text).map(|(_, granularity)| granularity);
            Some(found.ok_or_else(|| bad_parameter("granularity", "one of hour, day, week, month"))?)
        }
    };
    let range = Range::of(bound(&request, "startDate")?, bound(&request, "endDate")?, request.now, &zone)
        .map_err(|_| bad_parameter("startDate", "within the years that can be counted"))?;
    if range.from >= range.to {
        return Err(Problem::field("/startDate", "must be before endDate"));
    }
    let agent: Option<AgentId> = match request.query.get("agentId") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| Problem::not_found("The agent"))?),
    };
    if let Some(agent) = agent
        && !request.app.views.agent_ever(organization, agent).await?
    {
        return Err(Problem::not_found("The agent"));
    }
    let days = (range.to.timestamp().as_millisecond() - range.from.timestamp().as_millisecond()) as f64 / 86_400_000.0;
    let granularity = given.unwrap_or_else(|| Granularity::fitting(days));
    let stamp = request.app.views.figures_stamp(organization).await?;
    let tag = format!("\"{stamp}-{}-{}\"", at(&range.from).millis(), at(&range.to).millis());
    if request.has_tag(&tag) {
        return Ok(Reply::ok(&json!({})).header("etag", tag));
    }
    let buckets = buckets(&range, granularity)?;
    let (from, to, previous_from) = (at(&range.from), at(&range.to), at(&range.previous_from));
    let Dashboard { position, summary, charts } =
        request.app.views.dashboard(organization, &stamp, DashboardQuery { from, to, previous_from, agent, buckets }).await?;
    let newest = request.app.log.at(position.max(1)).await.map_err(|error| Problem::fault(&error))?;
    let recorded_at = newest.map(|event| event.recorded_at);
    let behind = request.app.head() > position;
    let lag_ms = recorded_at.filter(|_| behind).map_or(0, |recorded| (request.now.millis() - recorded.millis()).max(0));
    let body = json!({
        "range": {
            "start": written(&range.from), "end": written(&range.to), "granularity": granularity.name(), "timezone": zone_name,
            "previous": {"start": written(&range.previous_from), "end": written(&range.from)},
        },
        "freshness": {"position": position, "recordedAt": recorded_at.map(|at| at.to_string()), "lagMs": lag_ms},
        "summary": summary, "charts": charts,
    });
    Ok(Reply::ok(&body).header("etag", tag))
}

fn buckets(range: &Range, granularity: Granularity) -> Result<Vec<(Timestamp, String)>, Problem> {
    let beyond = |_| Problem::field("/startDate", "is outside the years that can be counted");
    let mut start = granularity.start(&range.from).map_err(beyond)?;
    let mut all = Vec::new();
    while start < range.to {
        if all.len() == MAX_BUCKETS {
            return Err(Problem::field("/granularity", format!("would make more than {MAX_BUCKETS} points; take a coarser one")));
        }
        all.push((at(&start), written(&start)));
        start = granularity.next(&start).map_err(beyond)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn days(from: &str, to: &str, zone: &str) -> Range {
        let zone = TimeZone::get(zone).unwrap();
        Range::of(Some(Bound::Day(from.parse().unwrap())), Some(Bound::Day(to.parse().unwrap())), Timestamp::from_millis(0), &zone).unwrap()
    }

    #[test]
    fn a_day_with_a_clock_change_is_one_day_of_23_or_25_hours() {
        let spring = days("2026-03-29", "2026-03-29", "Europe/Berlin");
        assert_eq!(buckets(&spring, Granularity::Hour).unwrap().len(), 23);
        let autumn = buckets(&days("2026-10-25", "2026-10-25", "Europe/Berlin"), Granularity::Hour).unwrap();
        assert_eq!((autumn.len(), autumn[2].1.as_str(), autumn[3].1.as_str()), (25, "2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"));
        let around = buckets(&days("2026-03-28", "2026-03-30", "Europe/Berlin"), Granularity::Day).unwrap();
        let starts: Vec<_> = around.iter().map(|(_, start)| start.as_str()).collect();
        assert_eq!(starts, ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"]);
    }

    #[test]
    fn the_period_before_has_as_many_local_days() {
        let range = days("2026-04-01", "2026-04-07", "Europe/Berlin");
        assert_eq!((written(&range.previous_from), written(&range.to)), ("2026-03-25T00:00:00+01:00".into(), "2026-04-08T00:00:00+02:00".into()));
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let range = days("2026-01-01", "2026-02-10", "UTC");
        assert_eq!(buckets(&range, Granularity::Week).unwrap()[0].1, "2025-12-29T00:00:00+00:00");
        assert_eq!(buckets(&range, Granularity::Month).unwrap().len(), 2);
    }
}
