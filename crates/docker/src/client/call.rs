//! One request and its answer: status, error text and body.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{ClientError, Result};
use super::transport::Transport;
use super::upload::Upload;

/// The longest answer that is read where there is next to nothing to tell.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How much of an error is shown that is not the engine's own.
const LONGEST_FOREIGN_ERROR: usize = 400;

/// A request that is being put together.
#[derive(Debug)]
pub(crate) struct Call {
    method: Method,
    path: String,
    query: String,
    body: Option<Bytes>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Call {
    /// `HEAD path`.
    pub(crate) fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path.into())
    }

    /// `GET path`.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into())
    }

    /// `POST path`.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path.into())
    }

    /// `PUT path`.
    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path.into())
    }

    /// `DELETE path`.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path.into())
    }

    fn new(method: Method, path: String) -> Self {
        Self { method, path, query: String::new(), body: None, headers: Vec::new() }
    }

    /// Adds a parameter.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query = form_urlencoded::Serializer::new(self.query).append_pair(name, value).finish();
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends a JSON text with it.
    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(Bytes::from(body.to_string()));
        self
    }

    /// The request itself.
    pub(crate) fn request(self) -> Result<Request<Full<Bytes>>> {
        let mut uri = self.path;
        if !self.query.is_empty() {
            uri = format!("{uri}?{}", self.query);
        }
        let mut request = Request::builder().method(self.method).uri(&uri);
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(self.body.unwrap_or_default()))
            .map_err(|error| ClientError::Protocol(format!("request to {uri}: {error}")))
    }

    /// Sends it. An answer of 2xx, 101 or 304 is given as it is, any other as an error.
    pub(crate) async fn send(self, transport: &Transport) -> Result<Response<Incoming>> {
        accept(transport.send(self.request()?).await?).await
    }

    /// Sends it and reads the whole answer as JSON.
    pub(crate) async fn value<T>(self, transport: &Transport) -> Result<T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let what = self.path.clone();
        super::answer::json(&what, self.send(transport).await?.into_body()).await
    }

    /// Sends it with a tar archive, and reads the answer to its end.
    pub(crate) async fn upload(self, transport: &Transport, archive: Upload) -> Result<()> {
        let (mut head, _) = self.request()?.into_parts();
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
        let request = Request::from_parts(head, archive.into_body());
        let (response, _connection) = transport.send_held(request).await?;
        read(accept(response).await?).await.map(drop)
    }

    /// Sends it and reads the answer to its end without a look at it.
    pub(crate) async fn done(self, transport: &Transport) -> Result<StatusCode> {
        let response = self.send(transport).await?;
        let status = response.status();
        read(response).await?;
        Ok(status)
    }
}

/// An answer of 2xx, 101 or 304 as it is; any other as an error with the engine's words.
pub(crate) async fn accept(response: Response<Incoming>) -> Result<Response<Incoming>> {
    let status = response.status();
    let fine = status.is_success()
        || status == StatusCode::NOT_MODIFIED
        || status == StatusCode::SWITCHING_PROTOCOLS;
    if fine {
        return Ok(response);
    }
    let body = read(response).await?;
    Err(ClientError::Status { status: status.as_u16(), message: message_of(status, &body) })
}

async fn read(response: Response<Incoming>) -> Result<Bytes> {
    match Limited::new(response.into_body(), LONGEST_ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => ClientError::from(*error),
            Err(error) => ClientError::Protocol(error.to_string()),
        }),
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

/// The engine's own words, or what stands there instead: a proxy's page, or nothing.
pub(super) fn message_of(status: StatusCode, body: &[u8]) -> String {
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(body) {
        return body.message.trim().to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() {
        return format!("status {status} without a reason");
    }
    let mut shown: String = text.chars().take(LONGEST_FOREIGN_ERROR).collect();
    if shown.len() < text.len() {
        shown.push_str(" ...");
    }
    format!("status {status}: {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_escaped() {
        let call = Call::get("/c").query("filters", r#"{"label":["a=b c"]}"#);
        let request = call.request().unwrap();
        assert_eq!(request.uri(), "/c?filters=%7B%22label%22%3A%5B%22a%3Db+c%22%5D%7D");
    }

    #[test]
    fn an_error_is_told_in_the_engines_words_or_in_what_came() {
        let status = StatusCode::BAD_GATEWAY;
        assert_eq!(message_of(status, br#"{"message":" no such image: x\n"}"#), "no such image: x");
        assert_eq!(message_of(status, b""), "status 502 Bad Gateway without a reason");
        assert_eq!(message_of(status, b"<html>"), "status 502 Bad Gateway: <html>");
        assert!(message_of(status, &[b'x'; 1000]).ends_with("x ..."));
    }
}
