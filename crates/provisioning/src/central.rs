//! IoT Central's REST API, data plane, as far as enrolling and looking at a fleet needs it.
//!
//! <https://learn.microsoft.com/rest/api/iotcentral/dataplane/operation-groups>, api-version 2022-07-31. The same client speaks
//! to IoT Central and to our emulator of it.
//!
//! Requests that were throttled (429) or met a failing service are repeated, waiting as long as `retry-after` asks for;
//! a command is repeated only where it certainly was not executed. A pace, where one is set, keeps it from being
//! throttled at all. The token goes into one header and nowhere else.

mod answer;
mod counts;
mod devices;
mod emulator;
mod enrollment_groups;
mod error;
mod pace;
mod relationships;
mod retry;
pub mod schema;
mod templates;
mod token;
mod transport;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_link::{TrustRoots, client_config};
use reqwest::Url;
use reqwest::header::HeaderValue;

pub use answer::Answer;
pub use counts::RequestCounts;
pub use devices::NewDevice;
pub use enrollment_groups::GroupType;
pub use error::CentralError;
pub use pace::Pace;
pub use retry::RetryPolicy;
pub use token::ApiToken;

use crate::rate_limiter::RateLimiter;

/// A client of one IoT Central application.
#[derive(Debug, Clone)]
pub struct Central {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    retry: RetryPolicy,
    /// Shared by all clones: the service counts what comes from all of them.
    limiter: Option<Arc<Mutex<RateLimiter>>>,
    reporter: Option<Reporter>,
    counts: Option<Arc<RequestCounts>>,
}

/// What reports trouble that may pass.
#[derive(Clone)]
struct Reporter(Arc<dyn Fn(String) + Send + Sync>);

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reporter")
    }
}

impl Central {
    /// A client of the application at `app_url`, such as `https://contoso.azureiotcentral.com`.
    ///
    /// `trusted` are the roots of its server certificate. Plain `http` is accepted for this very machine only, since the
    /// token would travel in the open.
    pub fn new(app_url: &str, token: &ApiToken, trusted: TrustRoots) -> Result<Self, CentralError> {
        let base = parse_base(app_url)?;
        let mut authorization = HeaderValue::from_str(token.secret()).map_err(|_| CentralError::BadToken)?;
        authorization.set_sensitive(true);
        let tls = client_config(trusted).map_err(|reason| CentralError::Setup {
            reason: error::with_causes(&reason),
        })?;
        let mut http = reqwest::Client::builder();
        if base.host_str().is_some_and(is_this_machine) {
            // HTTPS_PROXY is for other machines: a proxy could not even find this one.
            http = http.no_proxy();
        }
        let http = http
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("fleet/", env!("CARGO_PKG_VERSION")))
            // The API redirects nowhere, and the token must not follow where it would.
            .redirect(reqwest::redirect::Policy::none())
            // What is repeated, and when, is decided in `retry`.
            .retry(reqwest::retry::never())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|reason| CentralError::Setup {
                reason: error::with_causes(&reason),
            })?;
        Ok(Self {
            http,
            base,
            authorization,
            retry: RetryPolicy::default(),
            limiter: None,
            reporter: None,
            counts: None,
        })
    }

    /// The same client, which sends no more than this.
    #[must_use]
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.limiter = Some(Arc::new(Mutex::new(pace.limiter())));
        self
    }

    /// The same client, which reports when an answer is late, and why a request is repeated.
    #[must_use]
    pub fn on_trouble(mut self, report: impl Fn(String) + Send + Sync + 'static) -> Self {
        self.reporter = Some(Reporter(Arc::new(report)));
        self
    }

    /// The same client, whose requests are counted, and which reports no trouble: its caller counts that too.
    #[must_use]
    pub fn counted(mut self, counts: Arc<RequestCounts>) -> Self {
        self.counts = Some(counts);
        self.reporter = None;
        self
    }

    fn report(&self, words: impl FnOnce() -> String) {
        if let Some(Reporter(report)) = &self.reporter {
            report(words());
        }
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }
}

fn parse_base(app_url: &str) -> Result<Url, CentralError> {
    let bad = |reason: &str| CentralError::BadUrl {
        url: app_url.to_owned(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(app_url).map_err(|reason| bad(&reason.to_string()))?;
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "https" => {}
        "http" if is_this_machine(host) => {}
        "http" => return Err(bad("plain http is for this machine only, use https")),
        _ => return Err(bad("expected https://<app>.azureiotcentral.com")),
    }
    if !matches!(url.path(), "" | "/")
        || url.query().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(bad("expected only scheme, host and port"));
    }
    Ok(url)
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Central, CentralError> {
        Central::new(url, &ApiToken::new("SharedAccessSignature sr=x"), TrustRoots::WebPki)
    }

    #[test]
    fn https_is_accepted_and_plain_http_only_to_this_machine() {
        for url in [
            "https://contoso.azureiotcentral.com",
            "https://contoso.azureiotcentral.com/",
            "http://localhost:8080",
            "http://127.0.0.1:80",
            "http://[::1]:80",
        ] {
            client(url).unwrap();
        }
        let error = client("http://contoso.azureiotcentral.com").unwrap_err().to_string();
        assert_eq!(
            error,
            "`http://contoso.azureiotcentral.com` is no IoT Central application: plain http is for this machine only, use https"
        );
        for url in [
            "contoso",
            "ftp://localhost",
            "https://contoso.azureiotcentral.com/api",
            "https://u:p@localhost",
            "http://127.0.0.1.example.com",
        ] {
            assert!(matches!(client(url), Err(CentralError::BadUrl { .. })), "{url}");
        }
    }

    #[test]
    fn the_token_is_never_printed() {
        let central = client("https://localhost").unwrap();
        let token = ApiToken::new("SharedAccessSignature sr=x");
        assert!(!format!("{central:?} {token:?}").contains("sr=x"));
        let error = Central::new(
            "https://localhost",
            &ApiToken::new("sr=x\nsecond line"),
            TrustRoots::WebPki,
        )
        .unwrap_err();
        assert!(!format!("{error:?} {error}").contains("sr=x"));
    }
}
