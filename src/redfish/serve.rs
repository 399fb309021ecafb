//! One file over HTTP for BMCs to fetch, with a count of what each took: the proof that a BMC
//! reaches the image and does not only say that it is in.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::error::Error;
use crate::model::bmc::unescaped;

/// Longer than any request that a BMC sends for a file.
const HEAD_LIMIT: usize = 16 << 10;
/// A BMC keeps its connection while the server reads nothing; so long at most.
const IDLE: Duration = Duration::from_secs(300);

/// What was fetched under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// GET requests that were answered with content.
    pub requests: u64,
    /// Of content that was sent.
    pub bytes: u64,
    /// The last that asked.
    pub from: Option<IpAddr>,
}

/// Serves one file under `/NAME/FILE`, whatever the name, so that each BMC can have its own.
/// It ends with its drop.
#[derive(Debug)]
pub struct ImageServer {
    /// Where BMCs are told to fetch.
    address: SocketAddr,
    image: Arc<Image>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Image {
    path: PathBuf,
    /// As it stands in addresses.
    name: String,
    size: u64,
    modified: Option<SystemTime>,
    fetched: Mutex<BTreeMap<String, Fetched>>,
}

impl Drop for ImageServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address of this machine that a host sees: the one its packets leave from. None where there
/// is no route.
pub async fn address_towards(host: &str) -> Option<IpAddr> {
    let (host, port) = match host.split_once("://") {
        Some((_, rest)) => (rest.split('/').next()?, 443),
        None => (host, 443),
    };
    let target = if host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    let target = tokio::net::lookup_host(target).await.ok()?.next()?;
    let any: SocketAddr = if target.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    // Nothing is sent: the system only chooses the route.
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(target).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}

impl ImageServer {
    /// Begins to serve. Port 0 takes a free one.
    ///
    /// # Errors
    /// [`Error::Serve`]: the file cannot be read, or the address is not this machine's.
    pub async fn start(file: &Path, address: SocketAddr) -> Result<Self, Error> {
        let fault = |what: String| {
            move |source: std::io::Error| Error::Serve {
                what,
                source: Arc::new(source),
            }
        };
        let metadata =
            std::fs::metadata(file).map_err(fault(format!("read {}", file.display())))?;
        if !metadata.is_file() {
            return Err(fault(format!("read {}", file.display()))(
                std::io::Error::other("it is no regular file"),
            ));
        }
        // Whether it can be read is seen now and not by the first BMC.
        std::fs::File::open(file).map_err(fault(format!("read {}", file.display())))?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(fault(format!("listen at {address}")))?;
        let address = listener
            .local_addr()
            .map_err(fault(format!("listen at {address}")))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let image = Arc::new(Image {
            path: file.to_owned(),
            name: escaped(&name),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            fetched: Mutex::default(),
        });
        let served = Arc::clone(&image);
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let image = Arc::clone(&served);
                        tokio::spawn(async move { image.talk(stream, peer.ip()).await });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        Ok(Self {
            address,
            image,
            task,
        })
    }

    /// The address under which one BMC fetches; `name` is put in as it is.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}/{}", self.address, self.image.name)
    }

    /// What was fetched under a name so far.
    pub fn fetched(&self, name: &str) -> Fetched {
        self.image.lock().get(name).cloned().unwrap_or_default()
    }

    /// All names that were fetched, with what.
    pub fn all(&self) -> BTreeMap<String, Fetched> {
        self.image.lock().clone()
    }

    pub fn size(&self) -> u64 {
        self.image.size
    }
}

impl Image {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Fetched>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests of one connection, one after the other.
    async fn talk(&self, mut stream: TcpStream, peer: IpAddr) {
        let mut buffer = Vec::new();
        while let Ok(Some(head)) = tokio::time::timeout(IDLE, head(&mut stream, &mut buffer)).await
        {
            match self.answer(&mut stream, &head, peer).await {
                Ok(true) => {}
                Ok(false) | Err(_) => break,
            }
        }
        let _ = stream.shutdown().await;
    }

    /// Answers one request; `false` where the connection is to end.
    async fn answer(
        &self,
        stream: &mut TcpStream,
        head: &str,
        peer: IpAddr,
    ) -> std::io::Result<bool> {
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split_ascii_whitespace();
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let version = words.next().unwrap_or_default();
        let field = |name: &str| {
            lines.clone().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let stay = match field("connection").map(str::to_ascii_lowercase) {
            Some(word) => word != "close",
            None => version == "HTTP/1.1",
        };
        let connection = if stay { "keep-alive" } else { "close" };
        let path = path.split('?').next().unwrap_or_default();
        // An absolute address is what a proxy would be sent; some clients send it anyway.
        let path = path
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').map(|start| &rest[start..]))
            .unwrap_or(path);
        let name = path
            .strip_prefix('/')
            .and_then(|path| path.rsplit_once('/'))
            .filter(|(_, file)| escaped(&unescaped(file)) == self.name)
            .map(|(name, _)| name);
        let (status, range) = match (method, name) {
            ("GET" | "HEAD", Some(_)) => match field("range") {
                None => ("200 OK", Some((0, self.size))),
                Some(text) => match range(text, self.size) {
                    Wanted::Part(start, length) => ("206 Partial Content", Some((start, length))),
                    Wanted::All => ("200 OK", Some((0, self.size))),
                    Wanted::Nothing => ("416 Range Not Satisfiable", None),
                },
            },
            ("GET" | "HEAD", None) => ("404 Not Found", None),
            _ => ("405 Method Not Allowed", None),
        };
        let mut reply = format!("HTTP/1.1 {status}\r\nConnection: {connection}\r\n");
        reply.push_str("Accept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\n");
        if let Some(modified) = self.modified {
            let date = httpdate::fmt_http_date(modified);
            reply.push_str(&format!("Last-Modified: {date}\r\n"));
        }
        match range {
            Some((start, length)) => {
                if status.starts_with("206") {
                    let end = start + length - 1;
                    let size = self.size;
                    reply.push_str(&format!("Content-Range: bytes {start}-{end}/{size}\r\n"));
                }
                reply.push_str(&format!("Content-Length: {length}\r\n"));
            }
            None => {
                if status.starts_with("416") {
                    reply.push_str(&format!("Content-Range: bytes */{}\r\n", self.size));
                }
                reply.push_str("Content-Length: 0\r\n");
            }
        }
        reply.push_str("\r\n");
        stream.write_all(reply.as_bytes()).await?;
        let (Some((start, length)), Some(name), "GET") = (range, name, method) else {
            return Ok(stay);
        };
        let mut file = tokio::fs::File::open(&self.path).await?;
        file.seek(std::io::SeekFrom::Start(start)).await?;
        self.note(name, peer, 1, 0);
        let mut piece = vec![0; 64 << 10];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let read = file.read(&mut piece[..most]).await?;
            if read == 0 {
                // The file has become shorter: the length that was told cannot be kept.
                return Ok(false);
            }
            stream.write_all(&piece[..read]).await?;
            left -= read as u64;
            self.note(name, peer, 0, read as u64);
        }
        Ok(stay)
    }

    fn note(&self, name: &str, peer: IpAddr, requests: u64, bytes: u64) {
        let mut all = self.lock();
        let fetched = all.entry(name.to_owned()).or_default();
        fetched.requests += requests;
        fetched.bytes += bytes;
        fetched.from = Some(peer);
    }
}

/// The head of the next request, without its empty line. None at the end of the connection.
async fn head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = buffer.split_off(end + 4);
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            *buffer = rest;
            return Some(head);
        }
        if buffer.len() > HEAD_LIMIT || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// First byte and length.
    Part(u64, u64),
    Nothing,
}

/// One range of bytes. Several at once, and what is no range, are answered with everything.
fn range(text: &str, size: u64) -> Wanted {
    let Some(text) = text.strip_prefix("bytes=") else {
        return Wanted::All;
    };
    let Some((first, last)) = text.split_once('-') else {
        return Wanted::All;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), _) if first >= size => Wanted::Nothing,
        (Ok(first), Ok(last)) if last >= first => {
            Wanted::Part(first, last.min(size - 1) - first + 1)
        }
        (Ok(first), Err(_)) if last.trim().is_empty() => Wanted::Part(first, size - first),
        (Err(_), Ok(0)) if first.trim().is_empty() => Wanted::Nothing,
        (Err(_), Ok(count)) if first.trim().is_empty() && size > 0 => {
            let count = count.min(size);
            Wanted::Part(size - count, count)
        }
        _ => Wanted::All,
    }
}

/// A name as a part of an address.
fn escaped(name: &str) -> String {
    let mut escaped = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_taken_as_the_standard_says() {
        for (text, expected) in [
            ("bytes=0-9", Wanted::Part(0, 10)),
            ("bytes=90-", Wanted::Part(90, 10)),
            ("bytes=90-500", Wanted::Part(90, 10)),
            ("bytes=-10", Wanted::Part(90, 10)),
            ("bytes=-500", Wanted::Part(0, 100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=9-1", Wanted::All),
            ("items=0-9", Wanted::All),
        ] {
            assert_eq!(range(text, 100), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn parts_are_served_on_one_connection_and_counted_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("install me.iso");
        let content: Vec<u8> = (0..200_000u32).map(|byte| (byte % 251) as u8).collect();
        std::fs::write(&file, &content).unwrap();
        let local = ([127, 0, 0, 1], 0).into();
        let server = ImageServer::start(&file, local).await.unwrap();
        let url = server.url("r1");
        assert!(url.ends_with("/r1/install%20me.iso"), "{url}");
        crate::redfish::trust::provider();
        let client = reqwest::Client::new();
        let part = client
            .get(&url)
            .header("Range", "bytes=100000-199999")
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(
            part.headers()["content-range"],
            "bytes 100000-199999/200000"
        );
        assert_eq!(part.bytes().await.unwrap(), content[100_000..]);
        assert_eq!(server.fetched("r1").bytes, 100_000);
        assert_eq!(server.fetched("r2"), Fetched::default());
        let whole = client.get(&url).send().await.unwrap();
        assert_eq!(whole.bytes().await.unwrap(), content);
        let size = client.head(&url).send().await.unwrap();
        assert_eq!(size.headers()["content-length"], "200000");
        assert_eq!(server.fetched("r1").requests, 2, "a HEAD is no fetch");
        let other = url.replace("install%20me", "passwd");
        assert_eq!(client.get(&other).send().await.unwrap().status(), 404);
        let up = url.replace("/r1/", "/r1/../../");
        assert_ne!(client.get(&up).send().await.unwrap().status(), 500);
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_told_before_any_bmc_is() {
        let local = ([127, 0, 0, 1], 0).into();
        let error = ImageServer::start(Path::new("/nowhere/a.iso"), local)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "this machine cannot read /nowhere/a.iso");
        assert!(error.hint().contains("file"), "{}", error.hint());
    }
}
