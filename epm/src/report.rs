//! `epm report`: prints a report of a data folder, whether its server runs or not.

use epm_query_api::report_cli::{ReportError, width_of_stdout, write};
use epm_query_api::{Format, QueryError, ReportEngine, ReportRequest};

use crate::cli::{self, ReportArgs};
use crate::data_folder::tables_below;
use crate::failure::{ExitCode, Failure, with_causes};

/// Prints the report.
pub(crate) async fn report(args: ReportArgs) -> Result<(), Failure> {
    let folder = match (&args.tables, &args.data) {
        (Some(tables), _) => tables.clone(),
        (None, Some(data)) => tables_below(data),
        (None, None) => unreachable!("clap asks for one of them"),
    };
    if !folder.is_dir() {
        return Err(Failure::new(
            ExitCode::DataFolder,
            format!("{}: there are no tables", folder.display()),
            "Name the data folder of a server with --data, or a folder of tables with --tables.",
        ));
    }
    let engine = ReportEngine::open(&folder.to_string_lossy()).map_err(|error| failure(&error))?;
    let format = format_of(args.format);
    let request = ReportRequest {
        report: args.name,
        since: args.since,
        until: args.until,
        as_of: args.as_of,
        filters: args.filters,
        columns: args.columns,
        sort: args.sort,
        limit: args.limit,
        cursor: None,
    };
    let mut out = std::io::stdout();
    match write(&engine, &request, format, width_of_stdout(), &mut out).await {
        Ok(()) => Ok(()),
        // Whoever reads the pipe has seen enough.
        Err(ReportError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(ReportError::Output(error)) => {
            Err(Failure::because("the report cannot be written", &error))
        }
        Err(ReportError::Query(error)) => Err(failure(&error)),
    }
}

fn format_of(format: cli::Format) -> Format {
    match format {
        cli::Format::Table => Format::Table,
        cli::Format::Csv => Format::Csv,
        cli::Format::Json => Format::Json,
        cli::Format::Ndjson => Format::Ndjson,
        cli::Format::Parquet => Format::Parquet,
        cli::Format::Arrow => Format::Arrow,
    }
}

fn failure(error: &QueryError) -> Failure {
    let code = match error {
        QueryError::UnknownReport { .. } | QueryError::BadParameter { .. } => ExitCode::Usage,
        _ => ExitCode::Failed,
    };
    Failure::new(code, with_causes(error), error.remedy())
}
