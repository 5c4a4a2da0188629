/** Markup as tagged templates. Values become text nodes and properties, never markup. */
import htm from "./vendor/htm.mjs";
import { h, type VNode } from "./vendor/preact.mjs";

export const html: (strings: TemplateStringsArray, ...values: unknown[]) => VNode = htm.bind<VNode>(h);
