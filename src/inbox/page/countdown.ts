import { remaining, serverNow } from "./clock.ts";
import { html } from "./html.ts";
import { Component, type VNode } from "./vendor/preact.mjs";

interface CountdownProps {
  readonly expiresMs: number;
  /** Called once, when the time is up. */
  readonly onOver: () => void;
}

const SOON_MS = 60_000;

/** Draws itself every second, so that the cards need not. */
export class Countdown extends Component<CountdownProps> {
  private timer: number | undefined;
  private over = false;

  override componentDidMount(): void {
    this.timer = setInterval(() => this.tick(), 1000);
  }

  override componentWillUnmount(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    if (this.over) return;
    this.setState({});
    if (this.props.expiresMs > serverNow()) return;
    this.over = true;
    this.props.onOver();
  }

  override render({ expiresMs }: CountdownProps): VNode {
    const left = expiresMs - serverNow();
    const when = new Date(expiresMs).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
    const tone = left <= 0 ? "over" : left < SOON_MS ? "soon" : "";
    return html`<time class=${`countdown ${tone}`} datetime=${new Date(expiresMs).toISOString()} title=${when}
      >${left <= 0 ? "time is up" : `${remaining(left)} left`}</time
    >`;
  }
}
