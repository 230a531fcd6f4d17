// Shows a script of the page as what it is, so that what is explained is what runs.
for (const place of document.querySelectorAll('[data-source]')) {
  const response = await fetch(place.dataset.source);
  place.textContent = await response.text();
}
