//! `ra-deploy media`

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::session::{self, Session};
use super::table::Table;
use super::told::{self, word};
use super::{Chosen, Common, Format, Hint, Servers, exit};
use crate::config::Site;
use crate::engine::{Reach, Will};
use crate::model::BmcQuery;
use crate::model::bmc::MediaState;
use crate::plan::Errand;
use crate::redfish::{ImageServer, address_towards};
use crate::report::words;

#[derive(Debug, Args)]
pub struct Media {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Tells which images are in which virtual drives.
    Status(Chosen),
    /// Puts an image into a virtual drive of each server, and proves that it is in.
    Insert(Insert),
    /// Takes images out of the virtual drives.
    Eject {
        #[command(flatten)]
        servers: Servers,
        /// Only drives of this kind.
        #[arg(long, value_enum)]
        device: Option<Device>,
    },
    /// Serves a file for BMCs to fetch, and tells who fetches it, until Ctrl-C.
    Serve {
        /// The image.
        file: PathBuf,
        /// An address of this machine that the BMCs reach.
        #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = address)]
        from: SocketAddr,
    },
}

#[derive(Debug, Args)]
struct Insert {
    #[command(flatten)]
    servers: Servers,
    /// Where the BMCs fetch the image: http://ADDRESS/PATH.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    image: Option<String>,
    /// A file of this machine, served for the BMCs and seen to be fetched.
    #[arg(long)]
    file: Option<PathBuf>,
    /// With --file: the address of this machine that the BMCs reach; the one that this machine
    /// reaches the first BMC from when not given.
    #[arg(long, value_name = "ADDRESS[:PORT]", requires = "file", value_parser = address)]
    from: Option<SocketAddr>,
    /// With --file: how long it is served, as in 90m; until Ctrl-C when not given.
    #[arg(long, value_name = "TIME", requires = "file", value_parser = duration)]
    serve_for: Option<Duration>,
    /// With --file: how long a BMC may take to begin to fetch.
    #[arg(long, value_name = "TIME", requires = "file", value_parser = duration, default_value = "60s")]
    fetch_within: Duration,
    /// The drive that the server sees.
    #[arg(long, value_enum, default_value_t = Device::Cd)]
    device: Device,
    /// Lets the server write to the image.
    #[arg(long)]
    writable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Device {
    Cd,
    Usb,
}

impl Device {
    fn word(self) -> &'static str {
        match self {
            Self::Cd => "cd",
            Self::Usb => "usb",
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(|address| (address, 0).into()))
        .map_err(|_| "write an IP address, with a port if one is wanted: 198.51.100.1:8080".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|span| Duration::try_from(span).ok())
        .ok_or_else(|| "write a time such as 30s or 90m".into())
}

impl Media {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            match self.order {
                Order::Status(chosen) => status(&chosen, common).await,
                Order::Insert(insert) => insert.run(common).await,
                Order::Eject { servers, device } => {
                    let mut parameters = json!({"image": "none"});
                    if let Some(device) = device {
                        parameters["device"] = json!(device.word());
                    }
                    let question = "Take the images out as shown?";
                    let (session, code) = match wish(&servers, common, parameters, question).await?
                    {
                        Ok(ended) => ended,
                        Err(code) => return Ok(code),
                    };
                    session.finish(code.unwrap_or(exit::DONE), None).await
                }
                Order::Serve { file, from } => serve(&file, from).await,
            }
        })
    }
}

/// What a role's task `virtual-media` does, for the chosen servers. `Some` is the code of a run
/// that ended before anything was changed.
async fn wish(
    servers: &Servers,
    common: &Common,
    parameters: Value,
    question: &str,
) -> anyhow::Result<Result<(Session, Option<i32>), i32>> {
    let errand = Errand {
        name: "media",
        tasks: vec![("virtual-media", parameters)],
    };
    let mut session = match Session::open_errand(&errand, &servers.chosen(), common)? {
        Ok(session) => session,
        Err(code) => return Ok(Err(code)),
    };
    let ended = session
        .carry_out(|session, pending| {
            if pending.is_empty() {
                return Ok(None);
            }
            session.confirm(servers.consent(), question)
        })
        .await?;
    Ok(Ok((session, ended)))
}

impl Insert {
    async fn run(self, common: &Common) -> anyhow::Result<i32> {
        let server = match &self.file {
            None => None,
            Some(file) => {
                let from = match self.from {
                    Some(from) => from,
                    None => match session::load(
                        &self.servers.inventory,
                        common,
                        session::Secrets::Leave,
                    ) {
                        Ok(site) => (own_address(&site).await?, 0).into(),
                        Err(code) => return Ok(code),
                    },
                };
                Some(start(file, from).await?)
            }
        };
        // Each BMC fetches under its host's name, so that it is known who does.
        let image = match (&server, &self.image) {
            (Some(server), _) => server.url("{{ host.name }}"),
            (None, Some(image)) => image.clone(),
            (None, None) => String::new(),
        };
        let parameters = json!({
            "image": image,
            "device": self.device.word(),
            "write-protected": !self.writable,
        });
        let question = "Put the image in as shown?";
        let (session, ended) = match wish(&self.servers, common, parameters, question).await? {
            Ok(ended) => ended,
            Err(code) => return Ok(code),
        };
        let Some(server) = server.filter(|_| ended.is_none()) else {
            return session.finish(ended.unwrap_or(exit::DONE), None).await;
        };
        let missing = self.watch(&session, &server).await;
        let code = match missing.is_empty() {
            true => exit::DONE,
            false => {
                let from = server.url("…");
                session.run.hub.warn(
                    None,
                    format!(
                        "{}: the image is shown as in, but nothing was fetched from {from}; the BMC's \
                         own route or a firewall may be why, or it reads only when the server does: \
                         give --from an address that it reaches, or more time by --fetch-within",
                        words::list(&missing)
                    ),
                );
                exit::RUN_FAILED
            }
        };
        let hosts: Vec<String> = session
            .fleet
            .members()
            .iter()
            .map(|member| member.host().to_owned())
            .collect();
        let code = session.finish(code, None).await?;
        if common.output == Format::Text {
            fetched(&server, &hosts);
        }
        match self.serve_for {
            Some(time) => drop(tokio::time::timeout(time, tokio::signal::ctrl_c()).await),
            None => {
                eprintln!("serving {} until Ctrl-C", server.url("…"));
                tokio::signal::ctrl_c().await?;
            }
        }
        Ok(code)
    }

    /// Waits until every BMC has fetched; names those that have not when the time is over.
    async fn watch(&self, session: &Session, server: &ImageServer) -> Vec<String> {
        let start = Instant::now();
        loop {
            let missing: Vec<String> = session
                .fleet
                .members()
                .iter()
                .filter(|member| !matches!(member.reach(), Reach::Lost(_)))
                .map(|member| member.host().to_owned())
                .filter(|host| server.fetched(host).bytes == 0)
                .collect();
            if missing.is_empty()
                || start.elapsed() > self.fetch_within
                || session.run.stop.will() > Will::Go
            {
                return missing;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The address of this machine on its way to the first BMC.
async fn own_address(site: &Site) -> anyhow::Result<IpAddr> {
    for host in &site.hosts {
        if let Some(endpoint) = &host.bmc
            && let Some(address) = address_towards(&endpoint.url).await
        {
            return Ok(address);
        }
    }
    Err(anyhow::anyhow!("no address of this machine leads to a BMC")
        .context(Hint("give --from the address that the BMCs reach".into())))
}

async fn start(file: &std::path::Path, from: SocketAddr) -> anyhow::Result<ImageServer> {
    ImageServer::start(file, from).await.map_err(|error| {
        let hint = error.hint();
        anyhow::Error::new(error).context(Hint(hint))
    })
}

fn fetched(server: &ImageServer, hosts: &[String]) {
    let mut table = Table::new(["host", "fetched", "of", "by"]);
    for host in hosts {
        let fetched = server.fetched(host);
        table.row([
            host.clone(),
            format!("{} bytes", fetched.bytes),
            server.size().to_string(),
            fetched.from.map_or("-".into(), |from| from.to_string()),
        ]);
    }
    table.print();
}

async fn serve(file: &std::path::Path, from: SocketAddr) -> anyhow::Result<i32> {
    let server = start(file, from).await?;
    say!("{}", server.url("image"));
    eprintln!("serving until Ctrl-C; BMCs fetch it under any word in the place of `image`");
    let mut told = std::collections::BTreeMap::new();
    let end = tokio::signal::ctrl_c();
    tokio::pin!(end);
    loop {
        tokio::select! {
            ended = &mut end => {
                ended.context("Ctrl-C cannot be waited for")?;
                return Ok(exit::DONE);
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let now = server.all();
        for (name, fetched) in &now {
            if told.get(name) != Some(fetched) {
                let by = fetched
                    .from
                    .map_or_else(String::new, |from| from.to_string());
                eprintln!(
                    "{name}: {} bytes in {} requests by {by}",
                    fetched.bytes, fetched.requests
                );
            }
        }
        told = now;
    }
}

async fn status(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let told = match told::ask::<MediaState>("media", BmcQuery::Media, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let heading = ["host", "device", "serves as", "image", "connected"];
    told.show(common, heading, |host, state, table| {
        for device in &state.devices {
            let image = match (&device.image, device.inserted) {
                (Some(image), true) => image.clone(),
                (Some(image), false) => format!("{image} (not in)"),
                (None, true) => "an image without a name".into(),
                (None, false) => "-".into(),
            };
            table.row([
                host.to_owned(),
                device.name.clone(),
                device.kinds.join(", "),
                image,
                word(device.connected.as_ref()),
            ]);
        }
        for fault in &state.unreadable {
            table.failed(host.to_owned(), fault);
        }
    })
    .await
}
