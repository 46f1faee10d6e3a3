//! One request: its address, its repetition, its answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::error::{untrusted, with_causes};
use super::schema::response::{ErrorBody, Page};
use super::{Central, CentralError};
use crate::rate_limiter::RateLimiter;

/// No answer of IoT Central is as long: a page of a list has at most 100 items.
const LONGEST: usize = 16 << 20;
/// How much is read of an answer that is an error.
const LONGEST_ERROR: usize = 64 << 10;

const API_VERSION: &str = "2022-07-31";
/// Tells a little more, and may be withdrawn: only for what can be found out in another way too.
const PREVIEW_VERSION: &str = "2022-10-31-preview";

/// When a failed request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Whenever the failure may pass: the request does the same twice as once.
    Freely,
    /// Only if it certainly was not carried out.
    IfNotExecuted,
}

/// One request before it is sent.
pub(super) struct Request<'a> {
    central: &'a Central,
    method: Method,
    url: Url,
    subject: String,
    body: Option<(&'static str, Value)>,
    repeat: Repeat,
    timeout: Option<Duration>,
}

impl Central {
    /// A request for `/api/<path…>`; `subject` names what it is about in messages.
    pub(super) fn request(&self, method: Method, path: &[&str], subject: impl Into<String>) -> Request<'_> {
        let mut request = self.request_below("api", method, path, subject);
        request.url.query_pairs_mut().append_pair("api-version", API_VERSION);
        request
    }

    /// A request for `/<root>/<path…>`.
    pub(super) fn request_below(
        &self,
        root: &str,
        method: Method,
        path: &[&str],
        subject: impl Into<String>,
    ) -> Request<'_> {
        let mut url = self.base.clone();
        // Each part is percent-encoded, so an id can't lead elsewhere.
        url.path_segments_mut()
            .expect("http and https addresses have a path")
            .pop_if_empty()
            .push(root)
            .extend(path);
        Request {
            central: self,
            method,
            url,
            subject: subject.into(),
            body: None,
            repeat: Repeat::Freely,
            timeout: None,
        }
    }

    /// All items of a list, page by page.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &[&str], subject: &str) -> Result<Vec<T>, CentralError> {
        let mut items = Vec::new();
        let mut request = self.request(Method::GET, path, subject);
        loop {
            let mut page: Page<T> = request.json().await?;
            items.append(&mut page.value);
            let Some(next) = page.next_link else { return Ok(items) };
            let unexpected = |reason: String| CentralError::UnexpectedAnswer {
                subject: subject.to_owned(),
                reason,
            };
            let url = self
                .base
                .join(&next)
                .map_err(|reason| unexpected(format!("next link `{next}`: {reason}")))?;
            // The token goes along, so it goes nowhere else.
            if url.origin() != self.base.origin() {
                return Err(unexpected(format!(
                    "the link to the next page leads to another server, `{next}`"
                )));
            }
            if url == request.url {
                return Err(unexpected(
                    "the link to the next page leads to the same page".to_owned(),
                ));
            }
            request.url = url;
        }
    }
}

impl Request<'_> {
    /// Asks the preview of the API.
    pub(super) fn preview(mut self) -> Self {
        self.url
            .query_pairs_mut()
            .clear()
            .append_pair("api-version", PREVIEW_VERSION);
        self
    }

    pub(super) fn with_json(mut self, body: Value) -> Self {
        self.body = Some(("application/json", body));
        self
    }

    pub(super) fn with_merge_patch(mut self, body: Value) -> Self {
        self.body = Some(("application/merge-patch+json", body));
        self
    }

    pub(super) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds a parameter to the address.
    pub(super) fn with_query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Sends it and parses the answer.
    pub(super) async fn json<T: DeserializeOwned>(&self) -> Result<T, CentralError> {
        self.parse(&self.send().await?)
    }

    /// Sends it once, at once and without a report, whatever the answer is.
    pub(super) async fn json_once<T: DeserializeOwned>(&self) -> Result<T, CentralError> {
        self.parse(&self.exchange().await?)
    }

    fn parse<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, CentralError> {
        serde_json::from_slice(answer).map_err(|reason| CentralError::UnexpectedAnswer {
            subject: self.subject.clone(),
            reason: reason.to_string(),
        })
    }

    /// Sends it; the answer holds no more than that it is done.
    pub(super) async fn done(&self) -> Result<(), CentralError> {
        self.send().await.map(drop)
    }

    async fn send(&self) -> Result<Vec<u8>, CentralError> {
        let policy = self.central.retry;
        let begin = Instant::now();
        let mut failed = 0;
        loop {
            let error = match self.watched().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failed += 1;
            if let (Some(limiter), Some(asked)) = (&self.central.limiter, error.retry_after()) {
                let then = Instant::now().checked_add(asked.min(policy.overall));
                then.into_iter().for_each(|then| lock(limiter).close_until(then));
            }
            let again = match self.repeat {
                Repeat::Freely => error.is_retryable(),
                Repeat::IfNotExecuted => error.was_not_executed(),
            };
            let pause = policy.pause(failed, error.retry_after(), begin.elapsed(), rand::random());
            let (true, Some(pause)) = (again, pause) else {
                return Err(error);
            };
            tracing::warn!(%error, pause_ms = pause.as_millis(), "request to IoT Central failed, will be repeated");
            self.central
                .report(|| format!("{error}; trying again in {:.1} s", pause.as_secs_f64()));
            tokio::time::sleep(pause).await;
        }
    }

    /// An attempt, with a word when the answer is late: the time that it may take is longer than a person waits in silence.
    async fn watched(&self) -> Result<Vec<u8>, CentralError> {
        let mut attempt = std::pin::pin!(self.attempt());
        if let Ok(answer) = tokio::time::timeout(LATE, &mut attempt).await {
            return answer;
        }
        self.central.report(|| {
            let host = self.url.host_str().unwrap_or_default();
            format!(
                "no answer from {host} for {} s: {}; still waiting",
                LATE.as_secs(),
                self.subject
            )
        });
        attempt.await
    }

    async fn attempt(&self) -> Result<Vec<u8>, CentralError> {
        if let Some(limiter) = &self.central.limiter {
            let at = lock(limiter).take(Instant::now());
            tokio::time::sleep_until(at).await;
        }
        self.exchange().await
    }

    /// Sends it, and reads the answer.
    async fn exchange(&self) -> Result<Vec<u8>, CentralError> {
        let response = self.response().await?;
        if !response.status().is_success() {
            if let Some(counts) = self.central.counts.as_ref().filter(|_| response.status() == 429) {
                counts.was_throttled();
            }
            return Err(self.refused(response).await);
        }
        let (body, is_whole) = beginning(response, LONGEST)
            .await
            .map_err(|error| self.unreachable(error))?;
        if !is_whole {
            return Err(CentralError::UnexpectedAnswer {
                subject: self.subject.clone(),
                reason: format!("it is longer than {} MB", LONGEST >> 20),
            });
        }
        Ok(body)
    }

    /// Sends it once, and returns what came, whatever its status is.
    pub(super) async fn answer(&self) -> Result<Answer, CentralError> {
        let response = self.response().await?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let headers = headers.collect();
        let (body, _) = beginning(response, LONGEST)
            .await
            .map_err(|error| self.unreachable(error))?;
        Ok(Answer { status, headers, body })
    }

    /// Sends it once.
    async fn response(&self) -> Result<Response, CentralError> {
        tracing::debug!(method = %self.method, path = self.url.path(), "request to IoT Central");
        let mut request = self
            .central
            .http
            .request(self.method.clone(), self.url.clone())
            .header(AUTHORIZATION, self.central.authorization.clone());
        if let Some((content_type, body)) = &self.body {
            // First the type: `json` sets its own only where there is none.
            request = request.header(CONTENT_TYPE, *content_type).json(body);
        }
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        if let Some(counts) = &self.central.counts {
            counts.sent();
        }
        request.send().await.map_err(|error| self.unreachable(error))
    }

    fn unreachable(&self, error: reqwest::Error) -> CentralError {
        let (subject, host) = (self.subject.clone(), self.url.host_str().unwrap_or_default().to_owned());
        if let Some(reason) = untrusted(&error) {
            return CentralError::Untrusted { subject, host, reason };
        }
        CentralError::Unreachable {
            subject,
            host,
            unsent: error.is_connect(),
            reason: with_causes(&error.without_url()),
        }
    }

    async fn refused(&self, response: Response) -> CentralError {
        let status = response.status();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
        // Only seconds are taken; the other form, a date, would trust two clocks.
        let retry_after = header(RETRY_AFTER.as_str())
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
        let (header_code, header_id) = (header("x-ms-error-code"), header("x-ms-request-id"));
        // Of an error, the beginning is enough.
        let body = beginning(response, LONGEST_ERROR).await.unwrap_or_default().0;
        let body = String::from_utf8_lossy(&body);
        let parsed = serde_json::from_str(&body)
            .map(|ErrorBody { error }| error)
            .unwrap_or_default();
        CentralError::Refused {
            subject: self.subject.clone(),
            status: status.as_u16(),
            code: parsed
                .code
                .or(header_code)
                .or(status.canonical_reason().map(str::to_owned))
                .unwrap_or_default(),
            message: parsed.message.unwrap_or_else(|| excerpt(&body)),
            request_id: parsed.request_id.or(header_id),
            retry_after,
        }
    }
}

/// An answer that has not come by then is late.
const LATE: Duration = Duration::from_secs(5);

/// At most `limit` bytes of a body, and whether that is all of it. An answer without end must not take memory without end.
async fn beginning(mut response: Response, limit: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// Nothing panics while it holds the limiter, and each of its changes is complete.
fn lock(limiter: &Mutex<RateLimiter>) -> MutexGuard<'_, RateLimiter> {
    limiter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The beginning of an answer that is not in the API's own form, for instance a proxy's page.
fn excerpt(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "no further words".to_owned(),
        None => line,
    }
}
