"use strict";
// Participants of a meeting, each with a connection of lib-jitsi-meet, as Jitsi's web client has one.
// All events of a participant are in its log, in order, as JSON: [name, argument, …].

const STATUS = { 1: "connecting", 2: "connfail", 4: "authfail", 5: "connected", 6: "disconnected", 15: "resuming" };
const CONFERENCE_EVENTS = ["CONFERENCE_JOINED", "CONFERENCE_FAILED", "CONFERENCE_ERROR", "CONFERENCE_LEFT",
    "KICKED", "MESSAGE_RECEIVED", "USER_JOINED", "USER_LEFT", "AUTH_STATUS_CHANGED"];
const participants = {};

JitsiMeetJS.init({ disableAudioLevels: true, disableThirdPartyRequests: true });

class Participant {
    constructor(domain, serviceUrl, token, options) {
        this.log = [];
        this.serviceUrl = serviceUrl;
        const hosts = { domain, muc: `conference.${domain}`, focus: `focus.${domain}` };
        this.connection = new JitsiMeetJS.JitsiConnection(null, token, { hosts, serviceUrl, ...options });
        for (const event of Object.values(JitsiMeetJS.events.connection)) {
            this.connection.addEventListener(event, (...values) => this.note(event, values));
        }
        this.xmpp = this.connection.xmpp.connection;
        this.xmpp.addListener("CONN_STATUS_CHANGED", status => this.note(STATUS[status] || `status-${status}`, []));
        this.resumeWithoutJitter();
        this.connection.connect({});
    }

    note(event, values) {
        this.log.push([event, ...values.map(readable)]);
    }

    // The library waits 1.5 to 3 s before it resumes, then up to 27 s. Tests take the shortest wait.
    resumeWithoutJitter() {
        const task = this.xmpp._resumeTask;
        const schedule = task.schedule;
        task.schedule = () => {
            const { random } = Math;
            Math.random = () => 0;
            try {
                schedule.call(task);
            } finally {
                Math.random = random;
            }
        };
    }

    join(room) {
        if (this.room === room) {
            this.conference.join(); // another attempt
            return;
        }
        this.room = room;
        this.conference = this.connection.initJitsiConference(room, { disableSimulcast: true, p2p: { enabled: false } });
        for (const name of CONFERENCE_EVENTS) {
            const event = JitsiMeetJS.events.conference[name];
            this.conference.addEventListener(event, (...values) => this.note(event, values));
        }
        this.conference.join();
    }

    send(text) {
        this.conference.sendTextMessage(text);
    }

    cut() {
        this.xmpp.closeWebsocket();
    }

    // The library of 2022 has no refreshToken. This is what newer ones do: the next connection carries
    // the new token, and the present one ends.
    refresh(token) {
        if (this.connection.refreshToken) {
            this.connection.refreshToken(token).catch(error => this.note("refresh-failed", [error]));
        } else {
            this.xmpp._stropheConn.service = `${this.serviceUrl}&token=${token}`;
            this.cut();
        }
    }

    // A request that the library sends every minute or two.
    keepAlive() {
        return this.xmpp._keepAliveAndCheckShard();
    }

    get jid() {
        return this.connection.getJid();
    }

    get id() {
        return this.conference.myUserId();
    }
}

function readable(value) {
    if (value instanceof Error) {
        return value.message;
    }
    try {
        return JSON.parse(JSON.stringify(value === undefined ? null : value));
    } catch {
        return typeof value; // a participant refers to the whole library
    }
}
