//! Where the control plane's store is, and how a command opens it.
//!
//! It must not know what the store holds; the crate `control` and those who ask it do.

use std::path::Path;

use epm_control::{
    Advice, Break, ControlStore, StoreError, TimeUs, Token, TokenKind, Verification,
};
use uuid::Uuid;

use crate::cli::TokenArgs;
use crate::failure::{ExitCode, Failure};
use crate::terminal::say;

/// File of the store in a data folder.
const FILE: &str = "control.db";
/// How long the first administrator's token works: long enough to make others.
const FIRST_DAYS: u32 = 7;
/// Seconds of a day.
const DAY_S: i64 = 24 * 60 * 60;

/// Where the control plane's store is.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlPlace(String);

impl ControlPlace {
    /// Reads what a user wrote.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        match ControlStore::check_address(text) {
            Ok(()) => Ok(Self(text.to_owned())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The store of a data folder.
    pub(crate) fn below(root: &Path) -> Result<Self, Failure> {
        let absolute = std::path::absolute(root).map_err(|error| {
            let message = format!("--data {}: {error}", root.display());
            Failure::new(ExitCode::DataFolder, message, "Name another folder.")
        })?;
        let file = absolute.join(FILE);
        Ok(Self(ControlStore::address_of_file(&file)))
    }

    /// Opens the store; makes it where it is absent.
    pub(crate) async fn open(&self) -> Result<ControlStore, Failure> {
        ControlStore::open(&self.0)
            .await
            .map_err(|error| failure(&error))
    }
}

/// The address may hold a password.
impl std::fmt::Debug for ControlPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ControlPlace").finish_non_exhaustive()
    }
}

/// The store that a command examines: the one that it was told of, or that of the data folder. Nothing where that has
/// none: a server that is older than the control plane left none.
pub(crate) async fn open_to_examine(
    place: Option<ControlPlace>,
    root: &Path,
) -> Result<Option<ControlStore>, Failure> {
    match place {
        Some(place) => place.open().await.map(Some),
        None if root.join(FILE).is_file() => ControlPlace::below(root)?.open().await.map(Some),
        None => Ok(None),
    }
}

/// Makes the first administrator of a store that has none, and shows the token with which that one begins.
pub(crate) async fn introduce(store: &ControlStore) -> Result<(), Failure> {
    let token = new_token();
    let made = store.first_administrator(&token, i64::from(FIRST_DAYS) * DAY_S, now());
    if made.await.map_err(|error| failure(&error))? {
        say(format_args!(
            "token    {}  (administrator; shown this once, works for {FIRST_DAYS} days)",
            token.text()
        ));
    }
    Ok(())
}

/// `epm token`: another token for the first administrator.
pub(crate) async fn token(args: TokenArgs) -> Result<(), Failure> {
    let root = args.data.unwrap_or_default();
    let store = open_to_examine(args.control, &root).await?.ok_or_else(|| {
        Failure::new(
            ExitCode::DataFolder,
            format!("--data {}: there is no control store", root.display()),
            "Name the data folder of a server that has been started.",
        )
    })?;
    let first = new_token();
    let life_s = i64::from(args.days) * DAY_S;
    let made = store.first_administrator(&first, life_s, now()).await;
    let shown = if made.map_err(|error| failure(&error))? {
        first
    } else {
        let another = new_token();
        let made = store.administrator_token(&another, life_s, now()).await;
        made.map_err(|error| failure(&error))?;
        another
    };
    say(shown.text());
    Ok(())
}

fn new_token() -> Token {
    Token::new(TokenKind::Api, Uuid::new_v4(), rand::random())
}

fn now() -> TimeUs {
    TimeUs(jiff::Timestamp::now().as_microsecond())
}

/// Walks the chain of the store's events and says what was found. False where it is broken.
pub(crate) async fn verify(store: &ControlStore) -> Result<bool, Failure> {
    let found = store.verify(None).await.map_err(|error| failure(&error))?;
    match found {
        Verification::Whole(head) => {
            say(format_args!(
                "control store: {} events, their chain is whole",
                head.sequence.0
            ));
            Ok(true)
        }
        Verification::Broken { sequence, what } => {
            say(format_args!(
                "control store: broken at event {}: {}",
                sequence.0,
                words(what)
            ));
            Ok(false)
        }
    }
}

fn words(what: Break) -> &'static str {
    match what {
        Break::Contents => "it is not what was appended",
        Break::Unreadable => "it cannot be read",
        Break::Missing => "it is missing",
        Break::BeyondHead => "it lies behind the end",
        Break::Head => "the end that was kept is another one",
        Break::Anchor => "it is not the one that was known",
    }
}

/// What a store that cannot be used means for the command.
pub(crate) fn failure(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Address(_) => ExitCode::Usage,
        StoreError::File { .. } | StoreError::NewerSchema { .. } | StoreError::Damaged(_) => {
            ExitCode::DataFolder
        }
        _ => ExitCode::Failed,
    };
    let remedy = match error.advice() {
        Advice::Retry => "Try again when the database answers.",
        Advice::Refuse | Advice::Stop => "",
    };
    Failure::because("the control store cannot be used", error).with(code, remedy)
}
