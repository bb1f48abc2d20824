//! Talks HTTPS to an ACME directory: one connection for each request, with limits for time and size. An order is a
//! dozen requests every two months; keeping connections would not pay.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::net::TcpStream;

use crate::config::PoolTls;
use crate::stream::Plain;
use crate::tls::{ClientTls, FileError, Offer};

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of one answer; chains and lists of challenges have a few thousand.
const MOST: usize = 1 << 20;

type Failure = Box<dyn StdError + Send + Sync>;

/// How a directory is talked to.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    tls: Arc<ClientTls>,
}

impl Transport {
    /// Trusts the authorities of the system, or those of `ca` instead.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, FileError> {
        let settings = PoolTls { ca: ca.map(Path::to_owned), server_name: None, client: None, verify: true };
        Ok(Self { tls: Arc::new(ClientTls::new(settings)?) })
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let tls = Arc::clone(&self.tls);
        Box::pin(async move {
            let told = |failure: Failure| Error::Other(failure);
            match tokio::time::timeout(TIMEOUT, exchange(&tls, request)).await {
                Ok(Ok(response)) => Ok(response.into()),
                Ok(Err(failure)) => Err(told(failure)),
                Err(_) => Err(told(format!("no answer within {} s", TIMEOUT.as_secs()).into())),
            }
        })
    }
}

async fn exchange(
    tls: &ClientTls,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, Failure> {
    let uri = std::mem::take(request.uri_mut());
    let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https"));
    let authority = authority.ok_or_else(|| format!("\"{uri}\" is not https"))?.clone();
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(443));
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    *request.uri_mut() = uri.path_and_query().cloned().map_or_else(|| Uri::from_static("/"), Uri::from);

    let cannot = |error: io::Error| format!("cannot reach {address}: {error}");
    let socket = TcpStream::connect(&address).await.map_err(cannot)?;
    let (stream, _) = tls.connect(Plain::Tcp(socket), &address, Offer::Http1).await.map_err(cannot)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MOST).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, Full::new(body)))
    };
    tokio::select! {
        biased;
        answer = exchange => answer,
        // It only ends first when it breaks; then the exchange learns nothing more.
        ended = connection => match ended {
            Err(error) => Err(error.into()),
            Ok(()) => Err("the directory closed the connection before it answered".into()),
        },
    }
}
