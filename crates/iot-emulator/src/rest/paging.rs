//! Lists, which come in pages. A page begins after the last thing of the page before, whatever has been added or removed
//! since.
//!
//! Source: [Manage devices](https://learn.microsoft.com/azure/iot-central/core/howto-manage-devices-with-rest-api): a
//! page has 25 items unless the request asks for another number, and 100 at most. The preview writes `maxpagesize`,
//! `filter` and `orderby` where earlier versions wrote `$top`, `$filter` and `$orderby`.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rest;
use super::error::ApiError;
use super::extract::Query;
use super::filter::{Fields, Filter};
use super::middleware::ApiVersion;

const DEFAULT_PAGE: usize = 25;
const MAX_PAGE: usize = 100;
const SKIP_TOKEN: &str = "$skiptoken";

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "$top", alias = "maxpagesize")]
    top: Option<usize>,
    #[serde(rename = "$skiptoken")]
    after: Option<String>,
    #[serde(rename = "$filter", alias = "filter")]
    filter: Option<String>,
    #[serde(rename = "$orderby", alias = "orderby")]
    order: Option<String>,
}

/// What a request wants of a list.
#[derive(Debug)]
pub(super) struct Listing {
    size: usize,
    /// The mark of the last thing that was shown.
    after: Option<String>,
    filter: Option<String>,
    order: Option<Order>,
    /// The address of the list, up to the mark.
    address: String,
}

/// By display name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

impl FromRequestParts<Rest> for Listing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, ApiError> {
        let Query(asked) = Query::<Asked>::from_request_parts(parts, rest).await?;
        let size = asked.top.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&size) {
            return Err(ApiError::bad_request(format!("a page has from 1 to {MAX_PAGE} things")));
        }
        let is_preview = parts.extensions.get() == Some(&ApiVersion::Preview);
        if (asked.filter.is_some() || asked.order.is_some()) && !is_preview {
            return Err(ApiError::bad_request(
                "lists are filtered and ordered in api-version 2022-10-31-preview only",
            ));
        }
        let order = match asked
            .order
            .as_deref()
            .map(|order| order.split_whitespace().collect::<Vec<_>>())
        {
            None => None,
            Some(order) => Some(match order[..] {
                ["displayName"] | ["displayName", "asc"] => Order::Ascending,
                ["displayName", "desc"] => Order::Descending,
                _ => return Err(ApiError::bad_request("orderby: `displayName` or `displayName desc`")),
            }),
        };
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or(rest.services.hostname.as_str());
        let query = parts.uri.query().unwrap_or_default().split('&');
        let query: Vec<&str> = query.filter(|pair| !is_skip_token(pair)).collect();
        Ok(Self {
            size,
            after: asked.after.map(|token| read_mark(&token)).transpose()?,
            filter: asked.filter,
            order,
            address: format!("{}://{host}/api{}?{}", rest.scheme, parts.uri.path(), query.join("&")),
        })
    }
}

impl Listing {
    /// A page of things that come in the order of their marks, and that can't be filtered or ordered.
    pub(super) fn plain<'a, T>(
        &self,
        things: impl Iterator<Item = (Cow<'a, str>, T)>,
        view: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        if self.filter.is_some() || self.order.is_some() {
            return Err(ApiError::bad_request("this list is neither filtered nor ordered"));
        }
        Ok(self.page(things, |mark, after| mark > after, view))
    }

    /// A page of things that come in the order of their ids.
    pub(super) fn query<'a, T: Fields + 'a>(
        &self,
        things: impl Iterator<Item = (&'a String, &'a T)>,
        view: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let filter = self.filter.as_deref().map(Filter::parse::<T>).transpose();
        let filter = filter.map_err(|error| ApiError::bad_request(format!("filter: {error}")))?;
        let things = things.filter(|(_, thing)| filter.as_ref().is_none_or(|filter| filter.accepts(*thing)));
        let view = |thing: &&T| view(thing);
        let Some(order) = self.order else {
            let things = things.map(|(id, thing)| (Cow::from(id), thing));
            return Ok(self.page(things, |mark, after| mark > after, view));
        };
        let mut things: Vec<_> = things
            .map(|(id, thing)| (Cow::from(format!("{}\0{id}", thing.display_name())), thing))
            .collect();
        things.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(match order {
            Order::Ascending => self.page(things.into_iter(), |mark, after| mark > after, view),
            Order::Descending => self.page(things.into_iter().rev(), |mark, after| mark < after, view),
        })
    }

    fn page<'a, T>(
        &self,
        things: impl Iterator<Item = (Cow<'a, str>, T)>,
        is_after: impl Fn(&str, &str) -> bool,
        view: impl Fn(&T) -> Value,
    ) -> Value {
        let mut left = things.filter(|(mark, _)| self.after.as_ref().is_none_or(|after| is_after(mark, after)));
        let mut shown = Vec::new();
        let mut last = None;
        for (mark, thing) in left.by_ref().take(self.size) {
            shown.push(view(&thing));
            last = Some(mark);
        }
        let mut answer = json!({ "value": shown });
        if let (Some(last), Some(_)) = (last, left.next()) {
            let token = BASE64_URL_SAFE_NO_PAD.encode(last.as_bytes());
            answer["nextLink"] = format!("{}&{SKIP_TOKEN}={token}", self.address).into();
        }
        answer
    }
}

fn is_skip_token(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    name == SKIP_TOKEN || name.eq_ignore_ascii_case("%24skiptoken")
}

fn read_mark(token: &str) -> Result<String, ApiError> {
    let mark = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    mark.and_then(|mark| String::from_utf8(mark).ok())
        .ok_or_else(|| ApiError::bad_request("the $skiptoken is not one of a nextLink"))
}
