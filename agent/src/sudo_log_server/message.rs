//! The messages of sudo's log server protocol, as far as they are read or written here (sudo_logsrv.proto(5)).
//!
//! Fields that are not read are left out: they are passed over on the wire, so that keystrokes are never copied.

/// From sudo.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ClientMessage {
    #[prost(oneof = "Client", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13")]
    pub(super) kind: Option<Client>,
}

/// What sudo says.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Client {
    #[prost(message, tag = "1")]
    Accept(Accept),
    #[prost(message, tag = "2")]
    Reject(Reject),
    #[prost(message, tag = "3")]
    Exit(Exit),
    #[prost(message, tag = "4")]
    Restart(Restart),
    #[prost(message, tag = "5")]
    Alert(Alert),
    #[prost(message, tag = "6")]
    TerminalInput(Delayed),
    #[prost(message, tag = "7")]
    TerminalOutput(Delayed),
    #[prost(message, tag = "8")]
    Input(Delayed),
    #[prost(message, tag = "9")]
    Output(Delayed),
    #[prost(message, tag = "10")]
    ErrorOutput(Delayed),
    #[prost(message, tag = "11")]
    WindowSize(Delayed),
    #[prost(message, tag = "12")]
    Suspend(Delayed),
    #[prost(message, tag = "13")]
    Hello(ClientHello),
}

/// A moment or a stretch of time.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct TimeSpec {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanoseconds: i32,
}

/// A named value.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Info {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(oneof = "Value", tags = "2, 3, 4, 5")]
    pub(super) value: Option<Value>,
}

/// The value of an [`Info`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    #[prost(int64, tag = "2")]
    Number(i64),
    // sudo sends names and arguments as it got them, whatever their encoding.
    #[prost(bytes = "vec", tag = "3")]
    Text(Vec<u8>),
    #[prost(message, tag = "4")]
    Texts(Texts),
    #[prost(message, tag = "5")]
    Numbers(Numbers),
}

/// A list of texts.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Texts {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) texts: Vec<Vec<u8>>,
}

/// A list of numbers; nothing here is read.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Numbers {}

/// A command was allowed.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Accept {
    #[prost(message, optional, tag = "1")]
    pub(super) submitted: Option<TimeSpec>,
    #[prost(message, repeated, tag = "2")]
    pub(super) infos: Vec<Info>,
    #[prost(bool, tag = "3")]
    pub(super) expects_io: bool,
}

/// A command was refused.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Reject {
    #[prost(message, optional, tag = "1")]
    pub(super) submitted: Option<TimeSpec>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) reason: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    pub(super) infos: Vec<Info>,
}

/// A command ended.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Exit {
    #[prost(message, optional, tag = "1")]
    pub(super) lasted: Option<TimeSpec>,
    #[prost(int32, tag = "2")]
    pub(super) exit_value: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) signal: Vec<u8>,
}

/// A client goes on with a run that it told of over another connection.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Restart {
    #[prost(string, tag = "1")]
    pub(super) log_id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) resume_point: Option<TimeSpec>,
}

/// sudo had a problem.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Alert {}

/// Input, output, a window's size or a suspension: all that is read is how long after the one before it came.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Delayed {
    #[prost(message, optional, tag = "1")]
    pub(super) delay: Option<TimeSpec>,
}

/// A client says what it is; nothing here is read.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ClientHello {}

/// To sudo.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerMessage {
    #[prost(oneof = "Server", tags = "1, 2, 3, 4, 5")]
    pub(super) kind: Option<Server>,
}

/// What sudo is told.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Server {
    #[prost(message, tag = "1")]
    Hello(ServerHello),
    #[prost(message, tag = "2")]
    CommitPoint(TimeSpec),
    #[prost(string, tag = "3")]
    LogId(String),
    #[prost(string, tag = "4")]
    Error(String),
}

/// The first message to a client.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerHello {
    #[prost(string, tag = "1")]
    pub(super) server_id: String,
    #[prost(bool, tag = "4")]
    pub(super) subcommands: bool,
}
