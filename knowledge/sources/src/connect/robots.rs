//! What a host's robots.txt (RFC 9309) lets us do. A host that has none may be crawled; one that cannot say (5xx, no answer) is left alone.

use reqwest::StatusCode;
use texting_robots::Robot;
use url::Url;

use super::{
    FetchError, Job,
    website::{follow, status_text},
};
use crate::egress::EgressClient;

/// RFC 9309 section 2.5 asks for at least 500 KiB.
const MAX_ROBOTS_BYTES: u64 = 512 * 1024;

/// The rules of one host; without a file everything is allowed.
pub(super) struct Rules(Option<Robot>);

impl Rules {
    pub(super) async fn load(job: &Job<'_>, client: &EgressClient, origin: &Url) -> Result<Self, FetchError> {
        let url = origin.join("/robots.txt").map_err(|_| FetchError::source("the source's URL cannot be read"))?;
        let (_, reply) =
            follow(client, &url, job.requests_per_second()).await.map_err(|error| FetchError::Source(format!("{origin} cannot be reached: {error}")))?;
        let status = reply.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(FetchError::Source(format!("{url} answered {}, so that it is not known what may be crawled; try again later", status_text(status))));
        }
        if !status.is_success() {
            return Ok(Self(None));
        }
        // A file over the limit is no robots.txt that anyone reads whole: taken as none.
        let Ok(body) = reply.bytes(MAX_ROBOTS_BYTES).await else { return Ok(Self(None)) };
        Ok(Self::parse(&job.settings.user_agent, &body))
    }

    fn parse(user_agent: &str, body: &[u8]) -> Self {
        let product = user_agent.split(['/', ' ']).next().unwrap_or(user_agent);
        Self(Robot::new(product, body).ok())
    }

    pub(super) fn allow(&self, url: &Url) -> bool {
        self.0.as_ref().is_none_or(|robot| robot.allowed(url.as_str()))
    }

    pub(super) fn crawl_delay_s(&self) -> Option<f32> {
        self.0.as_ref().and_then(|robot| robot.delay)
    }

    pub(super) fn sitemaps(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |robot| &robot.sitemaps)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn our_own_group_wins_over_the_general_one() {
        let rules = Rules::parse(
            "TwigBot/0.1.0",
            b"User-agent: *\nDisallow: /\n\nUser-agent: TwigBot\nDisallow: /private/\nCrawl-delay: 2\n\nSitemap: https://a.example/s.xml\n",
        );
        let url = |path: &str| Url::parse("https://a.example").unwrap().join(path).unwrap();
        assert!(rules.allow(&url("/open")));
        assert!(!rules.allow(&url("/private/secret")));
        assert_eq!(rules.crawl_delay_s(), Some(2.0));
        assert_eq!(rules.sitemaps(), ["https://a.example/s.xml"]);
    }
}
