/** The types of the file that the inbox serves at this place: htm itself, unchanged (src/inbox/page-routes.ts). */
declare const htm: {
  bind<T>(
    h: (type: never, props: never, ...children: never[]) => T,
  ): (strings: TemplateStringsArray, ...values: unknown[]) => T;
};
export { htm as default };
