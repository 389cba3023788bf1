//! Every role in one process on one data folder: started in an order in which each finds what it needs, and stopped in
//! the order in which records flow, so that what was acknowledged is also folded.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use epm_control::ControlStore;
use epm_event_log::EventLog;
use epm_query_api::http::metrics::SharedRegistry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::cli::ReadAccess;
use crate::data_folder::DataFolder;
use crate::failure::{ExitCode, Failure};

/// A stage in its task, with the way to stop it.
pub(crate) struct Role {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Failure>>,
    /// Its end was told by [`Role::ended`].
    is_told: bool,
}

impl Role {
    /// Runs `stage`, which ends when its token is cancelled.
    pub(crate) fn start<F, E>(
        name: &'static str,
        stage: impl FnOnce(CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let stop = CancellationToken::new();
        let running = stage(stop.clone());
        let task = tokio::spawn(async move {
            running
                .await
                .map_err(|error| Failure::because(&format!("the {name} stopped"), &error))
        });
        Self {
            name,
            stop,
            task,
            is_told: false,
        }
    }

    /// Resolves when the role ends by itself, which it never should.
    pub(crate) async fn ended(&mut self) -> Failure {
        let ended = (&mut self.task).await;
        self.is_told = true;
        match ended {
            Ok(Err(failure)) => failure,
            Ok(Ok(())) => Failure::new(
                ExitCode::Failed,
                format!("the {} ended though nobody asked it to", self.name),
                "",
            ),
            Err(error) => Failure::because(&format!("the {} failed", self.name), &error),
        }
    }

    /// Asks the role to finish, and waits for it.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        self.stop.cancel();
        if self.is_told {
            return Ok(());
        }
        // It may have failed while another role finished: that is told here.
        match self.task.await {
            Ok(ended) => ended,
            Err(error) => Err(Failure::because(
                &format!("the {} failed", self.name),
                &error,
            )),
        }
    }

    /// Runs until `stop` or until the role fails; then ends it.
    pub(crate) async fn until(mut self, stop: CancellationToken) -> Result<(), Failure> {
        tokio::select! {
            () = stop.cancelled() => self.finish().await,
            failure = self.ended() => Err(failure),
        }
    }
}

/// By what the query API knows who may read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) control: Option<ControlStore>,
    pub(crate) access: ReadAccess,
}

/// Every role, running.
pub(crate) struct Server {
    collector: Role,
    processor: Role,
    query_api: Role,
    /// Where people read.
    pub(crate) http: SocketAddr,
    /// Where agents deliver.
    pub(crate) grpc: SocketAddr,
}

impl Server {
    /// Starts every role on `folder` and `log`. The listeners are bound, so that nothing was opened where one was not to be
    /// had.
    pub(crate) fn start(
        folder: &DataFolder,
        log: Arc<dyn EventLog>,
        reading: Reading,
        http: TcpListener,
        grpc: TcpListener,
    ) -> Result<Self, Failure> {
        let address = |listener: &TcpListener| {
            listener
                .local_addr()
                .map_err(|error| Failure::because("an address cannot be read", &error))
        };
        let (http_address, grpc_address) = (address(&http)?, address(&grpc)?);
        let tables = folder_url(&folder.tables())?;
        let registry = new_registry();
        let processor = {
            let (log, registry) = (Arc::clone(&log), Arc::clone(&registry));
            let config = epm_processor::Config::new(tables.clone());
            Role::start("processor", |stop| {
                epm_processor::run(config, log, registry, stop)
            })
        };
        let query_api = query_api(&tables, reading, http, &registry);
        let collector = collector(grpc, log, registry);
        Ok(Self {
            collector,
            processor,
            query_api,
            http: http_address,
            grpc: grpc_address,
        })
    }

    /// Resolves when a role ends by itself.
    pub(crate) async fn failed(&mut self) -> Failure {
        tokio::select! {
            failure = self.collector.ended() => failure,
            failure = self.processor.ended() => failure,
            failure = self.query_api.ended() => failure,
        }
    }

    /// Stops taking records, folds what is durable, then stops answering.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        let ended = [
            self.collector.finish().await,
            self.processor.finish().await,
            self.query_api.finish().await,
        ];
        ended.into_iter().collect()
    }
}

/// The collector on `listener`.
pub(crate) fn collector(
    listener: TcpListener,
    log: Arc<dyn EventLog>,
    registry: SharedRegistry,
) -> Role {
    let config = epm_collector::Config::default();
    Role::start("collector", |stop| {
        epm_collector::run(config, listener, log, registry, stop)
    })
}

/// The query API on `listener`.
pub(crate) fn query_api(
    tables: &Url,
    reading: Reading,
    listener: TcpListener,
    registry: &SharedRegistry,
) -> Role {
    let config = epm_query_api::Config {
        tables: tables.to_string(),
        control: reading.control,
        access: match reading.access {
            ReadAccess::Open => epm_query_api::ReadAccess::Open,
            ReadAccess::Required => epm_query_api::ReadAccess::Required,
        },
    };
    let registry = Arc::clone(registry);
    Role::start("query API", |stop| {
        epm_query_api::run(config, listener, registry, stop)
    })
}

/// Metrics of one process.
pub(crate) fn new_registry() -> SharedRegistry {
    Arc::new(Mutex::new(prometheus_client::registry::Registry::default()))
}

/// The address of a local folder.
pub(crate) fn folder_url(folder: &Path) -> Result<Url, Failure> {
    let unusable = |why: String| {
        let message = format!("{}: {why}", folder.display());
        Failure::new(
            ExitCode::DataFolder,
            message,
            "Name a folder that this user may write.",
        )
    };
    std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
    let absolute = folder
        .canonicalize()
        .map_err(|error| unusable(error.to_string()))?;
    Url::from_directory_path(absolute).map_err(|()| unusable("not a folder".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Role;

    async fn failed() -> Role {
        let role = Role::start("processor", |_| async {
            Err::<(), _>(std::io::Error::other("the disk is gone"))
        });
        while !role.task.is_finished() {
            tokio::task::yield_now().await;
        }
        role
    }

    #[tokio::test]
    async fn a_failure_that_nobody_was_told_of_comes_out_at_the_end() {
        let failure = failed().await.finish().await.expect_err("it failed");
        assert!(failure.message.contains("the disk is gone"), "{failure}");
    }

    #[tokio::test]
    async fn a_failure_that_was_told_is_not_told_again() {
        let mut role = failed().await;
        let failure = role.ended().await;
        assert!(failure.message.contains("the disk is gone"), "{failure}");
        assert!(role.finish().await.is_ok());
    }
}
