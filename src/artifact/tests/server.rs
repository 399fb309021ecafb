//! A small web server that knows ranges, and what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Server {
    pub address: String,
    /// `GET /path RANGE`.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(files: BTreeMap<&'static str, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &files, &heard);
            }
        });
        Self { address, asked }
    }
}

fn answer(
    mut stream: TcpStream,
    files: &BTreeMap<&'static str, Vec<u8>>,
    asked: &Mutex<Vec<String>>,
) {
    let lines: Vec<String> = BufReader::new(&stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let Some(first) = lines.first() else { return };
    let words: Vec<&str> = first.split(' ').collect();
    let range = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range").then_some(value)
    });
    asked.lock().expect("unpoisoned").push(format!(
        "{} {} {}",
        words[0],
        words[1],
        range.unwrap_or("-")
    ));
    let from: usize = range
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    let (status, body) = match files.get(words[1]) {
        None => ("404 Not Found", &[][..]),
        Some(bytes) if range.is_some() && from >= bytes.len() => {
            ("416 Range Not Satisfiable", &[][..])
        }
        Some(bytes) if range.is_some() => ("206 Partial Content", &bytes[from..]),
        Some(bytes) => ("200 OK", &bytes[..]),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // A client that has gone is its own affair.
    let _ = stream.write_all(head.as_bytes());
    if words[0] != "HEAD" {
        let _ = stream.write_all(body);
    }
}
