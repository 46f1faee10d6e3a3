//! A browser without a screen or scripts.

use iot_emulator::Emulator;
use reqwest::{Method, Response, StatusCode};
use testing::emulator::{Place, config};
use testing::{rest, soon};

/// A browser, as far as it matters here.
pub(crate) struct Visitor {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn new(emulator: &Emulator) -> Self {
        Self {
            client: rest::client(emulator, None),
            base: format!("http://{}", emulator.http()),
            cookie: None,
        }
    }

    /// One who has followed a fresh link.
    pub(crate) async fn signed_in(emulator: &Emulator) -> Self {
        let mut visitor = Self::new(emulator);
        let link = emulator.sign_in_link(None).unwrap();
        // What previews links asks with HEAD, which does not use one up.
        let preview = visitor.client.head(&link).send().await.unwrap();
        assert_eq!(
            (preview.status().as_u16(), preview.headers().get("set-cookie")),
            (200, None)
        );
        assert_eq!(visitor.follow(&link).await.status(), 200);
        visitor
    }

    pub(crate) async fn follow(&mut self, link: &str) -> Response {
        let answer = self.client.get(link).send().await.unwrap();
        if let Some(cookie) = answer.headers().get("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(pair.to_owned());
        }
        answer
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.cookie {
            Some(cookie) => request.header("Cookie", cookie),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.request(Method::GET, path).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Sends a form from `origin`, or without naming one.
    pub(crate) async fn post(&self, path: &str, origin: Option<&str>, form: &str) -> (StatusCode, String) {
        let mut request = self.request(Method::POST, path);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let kind = "application/x-www-form-urlencoded";
        let answer = request
            .header("Content-Type", kind)
            .body(form.to_owned())
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Keeps a live view open until these words are in one of its parts.
    pub(crate) async fn sees(&self, path: &str, words: &str) {
        let mut open = self.request(Method::GET, path).send().await.unwrap();
        let seen = async {
            let mut all = String::new();
            while !all.contains(words) {
                all += &String::from_utf8_lossy(&open.chunk().await.unwrap().unwrap());
            }
        };
        soon(words, seen).await;
    }

    /// Sends a form of this page, and follows where it leads.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let boundary = "a-boundary-that-is-in-no-field";
        let part = |(name, text): &(&str, &str)| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let body = fields.iter().map(part).collect::<String>() + &format!("--{boundary}--\r\n");
        let request = self.request(Method::POST, path).header("Origin", &self.base);
        let request = request.header("Content-Type", format!("multipart/form-data; boundary={boundary}"));
        let answer = request.body(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

/// An emulator with the page.
pub(crate) async fn emulator() -> Emulator {
    emulator_page::start(config()).await.unwrap()
}

/// The words of what is shown: no tags, and blanks where there were some.
pub(crate) fn words(text: &str) -> String {
    let mut words = String::new();
    let mut is_tag = false;
    for c in text.chars() {
        match c {
            '<' => is_tag = true,
            '>' => {
                is_tag = false;
                words.push(' ');
            }
            _ if !is_tag => words.push(c),
            _ => {}
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
