/* What the configuration file says: to be seen here, to be changed there. */
import { bytes, duration } from '../app/format.js';
import { Banner } from '../parts/Page.jsx';
import { Time } from '../parts/Time.jsx';

function Fact({ name, children }) {
    return (
        <div class="fact">
            <dt>{name}</dt>
            <dd>{children ?? <span class="soft">Not set</span>}</dd>
        </div>
    );
}

function Path({ path, none }) {
    return path ? <code>{path}</code> : <span class="soft">{none}</span>;
}

function Ends({ at }) {
    return at ? (
        <>
            <Time at={at} exact /> (<Time at={at} />)
        </>
    ) : null;
}

function Disk({ spool }) {
    if (!spool.disk_bytes) return <span class="soft">Not known yet</span>;
    return (
        <>
            {bytes(spool.disk_free)} of {bytes(spool.disk_bytes)} free
            {spool.keep_free > 0 && `; below ${bytes(spool.keep_free)} mail is put off`}
            {spool.limit > 0 && `; at most ${bytes(spool.limit)} are used for mail`}
        </>
    );
}

const title = (text) => <h3>{text}</h3>;

export function Facts({ status }) {
    const { configuration: conf, console: own } = status;

    return (
        <section class="card section" aria-labelledby="facts">
            <h2 id="facts">From the configuration file</h2>
            <Banner>
                <p>
                    These are changed in {conf.file ? <code>{conf.file}</code> : 'the configuration file'} and count when the service is reloaded (SIGHUP to posternd); mail’s addresses and the folders when it is started anew.
                </p>
            </Banner>
            <div class="facts-groups">
                <div>
                    {title('Gateway')}
                    <dl class="facts">
                        <Fact name="Host name">{conf.hostname}</Fact>
                        <Fact name="Takes mail at">{conf.smtp.listen.join(', ')}</Fact>
                        <Fact name="Largest message">{bytes(conf.smtp.max_message_size)}</Fact>
                        <Fact name="Workers">{conf.workers === 'auto' ? `One per core (${status.workers.wanted})` : conf.workers}</Fact>
                        <Fact name="State is kept in">
                            <Path path={conf.state_dir} />
                        </Fact>
                        <Fact name="Disk">
                            <Disk spool={conf.spool} />
                        </Fact>
                        <Fact name="Quarantine keeps mail for">{conf.quarantine.retention_s > 0 ? duration(conf.quarantine.retention_s) : 'Ever'}</Fact>
                        <Fact name="Log">
                            {conf.log.target}, from level {conf.log.level}
                        </Fact>
                    </dl>
                </div>
                <div>
                    {title('TLS of mail')}
                    <dl class="facts">
                        <Fact name="Certificate">
                            <Path path={conf.tls.certificate} none="None: no server is shown one" />
                        </Fact>
                        {conf.tls.certificate && (
                            <Fact name="Good until">
                                <Ends at={conf.tls.certificate_ends} />
                            </Fact>
                        )}
                        {conf.tls.key && (
                            <Fact name="Its key">
                                <Path path={conf.tls.key} />
                            </Fact>
                        )}
                        <Fact name="Trusted authorities">
                            <Path path={conf.tls.ca_file} none="The system’s" />
                        </Fact>
                    </dl>
                    {title('This console')}
                    <dl class="facts">
                        <Fact name="Address">{own?.address ?? conf.console.listen}</Fact>
                        <Fact name="Certificate">{conf.console.plain_http ? 'None: it is not protected by TLS' : <Path path={conf.console.certificate} none="Self-signed, made at the first start" />}</Fact>
                        {own?.fingerprint && (
                            <Fact name="SHA-256">
                                <span class="mono fingerprint">{own.fingerprint}</span>
                            </Fact>
                        )}
                        {own?.certificate_ends && (
                            <Fact name="Good until">
                                <Ends at={own.certificate_ends} />
                            </Fact>
                        )}
                        <Fact name="A session ends">
                            after {duration(conf.console.session_idle_s)} without use, {duration(conf.console.session_max_s)} at the latest
                        </Fact>
                    </dl>
                </div>
            </div>
        </section>
    );
}
