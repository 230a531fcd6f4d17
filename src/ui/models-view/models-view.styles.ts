import { css } from 'lit';

export const modelsViewStyles = css`
  .page-head,
  .section-head {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    justify-content: space-between;
    gap: var(--space-3) var(--space-5);
  }
  .page {
    gap: var(--space-6);
  }
  .ways {
    display: flex;
    flex-wrap: wrap;
    gap: var(--space-2);
  }
  .section-head hermit-storage-meter {
    flex: 0 1 17rem;
  }
  .installed {
    border: 1px solid var(--line);
    border-radius: var(--radius-lg);
    background: var(--surface);
    box-shadow: var(--shadow-1);
  }
  .installed li + li {
    border-top: 1px solid var(--line);
  }
  .empty {
    padding: var(--space-5);
    border: 1px dashed var(--line-strong);
    border-radius: var(--radius-lg);
    color: var(--ink-soft);
    text-align: center;
  }
  .cards {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr));
    gap: var(--space-4);
  }
  section > h2 + .intro {
    margin-top: calc(-1 * var(--space-3));
  }
  @media (max-width: 36rem) {
    .ways {
      width: 100%;
    }
    .ways .button {
      flex: 1;
      gap: var(--space-1);
      padding-inline: var(--space-2);
      font-size: var(--text-sm);
    }
  }
`;
