//! Starts the stages under test in a process of their own. It must not know what they do.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::place;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    process: String,
    pub(crate) grpc: String,
    pub(crate) http: String,
}

impl Server {
    pub(crate) async fn start(data: &Path, is_whole: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("stage").arg("--data").arg(data);
        if is_whole {
            command.arg("--whole");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let process = child.id().context("the server ended")?.to_string();
        let stdout = child.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let (grpc, http) = line
            .trim()
            .split_once(' ')
            .context("the server did not start")?;
        Ok(Self {
            grpc: grpc.to_owned(),
            http: http.to_owned(),
            child,
            process,
        })
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        place::cpu_of(&self.process)
    }

    pub(crate) fn peak_bytes(&self) -> anyhow::Result<u64> {
        place::peak_of(&self.process)
    }

    /// The sum of a metric over its labels; 0 where it has not been counted.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(&self.http).await?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "no metrics: {answer}");
        let values = answer
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']))
            .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok());
        Ok(values.sum::<f64>() as u64)
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = self.child.wait().await?;
        ensure!(ended.success(), "the server ended with {ended}");
        Ok(())
    }
}
